// The files that are there, against what modules.json and the index of the weights say should be.
#include "hub/snapshot_check.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "hub/file_selection.h"
#include "hub/gguf_choice.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr std::array kOtherWeights = {"model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"};

/// The snapshot's files as select_rest() takes them; nothing if a link leads nowhere.
std::optional<std::vector<RemoteFile>> list_files(const fs::path& folder) {
  std::vector<RemoteFile> files;
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->is_directory(error)) {
      continue;
    }
    if (!entry->is_regular_file(error)) {
      return std::nullopt;
    }
    files.push_back({.name = entry->path().lexically_relative(folder).generic_string()});
  }
  return error ? std::nullopt : std::optional(std::move(files));
}

bool contains(const std::vector<RemoteFile>& files, std::string_view name) {
  return std::ranges::find(files, name, &RemoteFile::name) != files.end();
}

}  // namespace

Completeness check_snapshot(const CachedRepository& cache, std::string_view commit,
                            const std::optional<std::string>& gguf) {
  const fs::path folder = cache.snapshot(commit);
  const auto files = list_files(folder);
  if (!files) {
    return Completeness::kIncomplete;
  }
  const bool has_modules = contains(*files, "modules.json");
  const bool is_adapter = contains(*files, "adapter_config.json");
  const bool has_gguf = !ggufs_of(*files).empty();
  if (!has_modules && !is_adapter && !has_gguf && !contains(*files, "config.json")) {
    return Completeness::kIncomplete;
  }
  bool is_gguf_unasked = false;
  try {
    // Weights, and shards that the index lists but the folder lacks, are looked for as in the hub's list.
    const std::vector<std::string> rest = select_rest(
        *files, [&](const std::string& name) { return load_json(folder / name).dump(); }, folder.string(), gguf);
    is_gguf_unasked =
        !gguf && std::ranges::any_of(rest, [](const std::string& name) { return name.ends_with(".gguf"); });
  } catch (const Error&) {
    return Completeness::kIncomplete;
  }
  const bool has_tokenizer =
      has_gguf || std::ranges::any_of(*files, [](const auto& file) { return file.name.ends_with("tokenizer.json"); });
  const auto known_absent = [&](std::string_view name) { return cache.known_absent(commit, name); };
  const bool told = has_modules || is_adapter || known_absent("modules.json");
  // Somebody may have named the GGUF file of a repository that has safetensors too.
  const bool right_weights =
      !is_gguf_unasked || (known_absent("model.safetensors") && known_absent("model.safetensors.index.json"));
  return told && right_weights && (has_tokenizer || is_adapter) ? Completeness::kComplete : Completeness::kLoadable;
}

fs::path model_path(const fs::path& folder, const std::optional<std::string>& gguf, std::string_view where) {
  const auto there = [&](const char* name) {
    std::error_code ignored;
    return fs::exists(folder / name, ignored);
  };
  if (!gguf && std::ranges::any_of(kOtherWeights, there)) {
    return folder;
  }
  std::vector<std::string> names;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::end(entry); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  const auto chosen = choose_gguf(names, gguf, where);
  return chosen ? folder / *chosen : folder;
}

}  // namespace mlxe
