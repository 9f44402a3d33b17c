// The table of families and the look-ups in it.
#include "hub/families.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace mlxe {
namespace {

// ASCII only: every known name is ASCII, and the locale must not decide what matches.
std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::string_view short_name(std::string_view repository) {
  return repository.substr(repository.find('/') + 1);
}

}  // namespace

const std::vector<ModelFamily>& model_families() {
  // Built at the first call: a program that is given a folder never pays for it.
  static const std::vector<ModelFamily> families = {
      {"all-minilm",
       "bert",
       "sentence-transformers/all-MiniLM-L6-v2",
       {"sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L12-v2"},
       {"all-minilm", "minilm"}},
      {"qwen3",
       "qwen3",
       "Qwen/Qwen3-Embedding-0.6B",
       {"Qwen/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Embedding-4B", "Qwen/Qwen3-Embedding-8B"},
       {"qwen3", "qwen3-embedding"}},
      {"qwen3-vl",
       "qwen3_vl",
       "Qwen/Qwen3-VL-Embedding-2B",
       {"Qwen/Qwen3-VL-Embedding-2B", "Qwen/Qwen3-VL-Embedding-8B"},
       {"qwen3-vl", "qwen3_vl", "qwen3-vl-embedding"}},
  };
  return families;
}

std::optional<std::string> repository_of_alias(std::string_view name) {
  const std::string wanted = lower(name);
  for (const ModelFamily& family : model_families()) {
    if (std::find(family.aliases.begin(), family.aliases.end(), wanted) != family.aliases.end()) {
      return family.default_model;
    }
    for (const std::string& variant : family.variants) {
      if (lower(short_name(variant)) == wanted) {
        return variant;
      }
    }
  }
  return std::nullopt;
}

std::vector<std::string> known_model_names() {
  std::vector<std::string> names;
  for (const ModelFamily& family : model_families()) {
    names.insert(names.end(), family.aliases.begin(), family.aliases.end());
    for (const std::string& variant : family.variants) {
      names.push_back(variant);
      names.emplace_back(short_name(variant));
    }
  }
  return names;
}

std::string canonical_model_name(const std::string& name) {
  std::error_code ignored;
  if (std::filesystem::is_directory(name, ignored)) {
    return name;
  }
  return repository_of_alias(name).value_or(name);
}

}  // namespace mlxe
