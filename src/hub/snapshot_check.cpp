// The files that are there, against what modules.json and the index of the weights say should be.
#include "hub/snapshot_check.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "hub/file_selection.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

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

Completeness check_snapshot(const CachedRepository& cache, std::string_view commit) {
  const fs::path folder = cache.snapshot(commit);
  const auto files = list_files(folder);
  if (!files) {
    return Completeness::kIncomplete;
  }
  const bool has_modules = contains(*files, "modules.json");
  const bool is_adapter = contains(*files, "adapter_config.json");
  if (!has_modules && !is_adapter && !contains(*files, "config.json")) {
    return Completeness::kIncomplete;
  }
  try {
    // Weights, and shards that the index lists but the folder lacks, are looked for as in the hub's list.
    static_cast<void>(
        select_rest(*files, [&](const std::string& name) { return load_json(folder / name).dump(); }, folder.string()));
  } catch (const Error&) {
    return Completeness::kIncomplete;
  }
  const bool has_tokenizer = std::ranges::any_of(*files, [](const RemoteFile& file) {
    return file.name.ends_with("tokenizer.json") || file.name.ends_with(".gguf");
  });
  const bool told = has_modules || is_adapter || cache.known_absent(commit, "modules.json");
  return told && (has_tokenizer || is_adapter) ? Completeness::kComplete : Completeness::kLoadable;
}

}  // namespace mlxe
