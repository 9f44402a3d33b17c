// Looking up a model: folder, alias, cache; the network is never asked.
#include "hub/resolve.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/nearest.h"
#include "hub/families.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> folder_from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') {
    return std::nullopt;
  }
  return fs::path(value);
}

// The order of huggingface_hub's constants.py. Nothing if not even HOME is set.
std::optional<fs::path> cache_folder() {
  if (const auto cache = folder_from_environment("HF_HUB_CACHE")) {
    return cache;
  }
  if (const auto home = folder_from_environment("HF_HOME")) {
    return *home / "hub";
  }
  if (const auto cache = folder_from_environment("XDG_CACHE_HOME")) {
    return *cache / "huggingface" / "hub";
  }
  if (const auto home = folder_from_environment("HOME")) {
    return *home / ".cache" / "huggingface" / "hub";
  }
  return std::nullopt;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// A whole model in one file.
bool holds_gguf(const fs::path& folder) {
  std::error_code ignored;
  const fs::directory_iterator entries(folder, ignored);
  return std::any_of(begin(entries), end(entries),
                     [](const fs::directory_entry& entry) { return entry.path().extension() == ".gguf"; });
}

fs::path checked_folder(const fs::path& folder) {
  // An adapter's folder may hold nothing else of its model; a StaticEmbedding, or a transformer in a folder of its own,
  // has only a list of modules here.
  const std::array names = {"config.json", "adapter_config.json", "modules.json"};
  if (std::ranges::none_of(names, [&](const char* name) { return is_file(folder / name); }) && !holds_gguf(folder)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("'{}' holds no config.json, modules.json or adapter_config.json, so it is no model folder",
                            folder.string()));
  }
  return folder;
}

// What nobody types for a repository: "org/name" has one slash between two plain words.
bool looks_like_path(std::string_view name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') || name.ends_with('/') ||
         name.find('\\') != std::string_view::npos || std::count(name.begin(), name.end(), '/') > 1;
}

// Only such names become parts of a path below the cache.
bool is_repository_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '/';
  };
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), allowed) &&
         name.find("..") == std::string_view::npos;
}

fs::path repository_folder(const fs::path& cache, std::string_view repository) {
  std::string name = "models--";
  for (const char c : repository) {
    name += c == '/' ? std::string("--") : std::string(1, c);
  }
  return cache / name;
}

// refs/main holds the commit that `main` was at; snapshots/<commit> is the folder of links to the files.
std::optional<fs::path> snapshot_of(const fs::path& repository) {
  std::ifstream reference(repository / "refs" / "main");
  std::string commit;
  reference >> commit;
  if (commit.empty() || commit.find('/') != std::string::npos || commit.starts_with('.')) {
    return std::nullopt;
  }
  fs::path snapshot = repository / "snapshots" / commit;
  return is_folder(snapshot) ? std::optional(std::move(snapshot)) : std::nullopt;
}

std::string suggestion(std::string_view name) {
  const auto nearest = nearest_name(name, known_model_names());
  return nearest && *nearest != name ? fmt::format("; did you mean '{}'?", *nearest) : std::string();
}

std::vector<std::string> candidates(const std::string& name) {
  if (const auto repository = repository_of_alias(name)) {
    return {*repository};
  }
  if (name.find('/') != std::string::npos) {
    return {name};
  }
  return {name, "sentence-transformers/" + name};
}

}  // namespace

fs::path resolve_model(const std::string& name) {
  if (name.empty()) {
    throw Error(ErrorCode::kInvalidInput, "the name of the model is empty, a folder or a name is wanted");
  }
  if (is_folder(name)) {
    return checked_folder(name);
  }
  if (is_file(name)) {
    if (fs::path(name).extension() == ".gguf") {
      return name;
    }
    throw Error(ErrorCode::kModelNotFound, fmt::format("'{}' is a file, the folder of a model is wanted", name));
  }
  if (looks_like_path(name) || !is_repository_name(name)) {
    throw Error(ErrorCode::kModelNotFound, fmt::format("there is no model folder '{}'", name) + suggestion(name));
  }
  const auto cache = cache_folder();
  std::string looked;
  for (const std::string& repository : candidates(name)) {
    if (!cache) {
      break;
    }
    const fs::path folder = repository_folder(*cache, repository);
    if (const auto snapshot = snapshot_of(folder)) {
      return checked_folder(*snapshot);
    }
    looked += fmt::format("{}'{}'", looked.empty() ? "" : " and ", folder.string());
  }
  throw Error(ErrorCode::kModelNotFound,
              fmt::format("there is no model '{}': no folder of that name, and the Hugging Face cache {}{}", name,
                          cache ? fmt::format("lacks it (looked for {})", looked)
                                : std::string("has no place, as HF_HUB_CACHE, HF_HOME and HOME are all unset"),
                          suggestion(name)));
}

}  // namespace mlxe
