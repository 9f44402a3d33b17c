// cached_models and delete_cached_model: what the cache holds, and how it is made smaller.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/cache_layout.h"
#include "hub/cache_lock.h"
#include "hub/hub_environment.h"
#include "hub/model_name.h"
#include "mlxe/hub.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

template <typename Visit>
void for_each_below(const fs::path& folder, const Visit& visit) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
       !error && entry != fs::end(entry); entry.increment(error)) {
    visit(*entry);
  }
}

CachedModel describe(const fs::path& folder, std::string repository) {
  CachedModel model{.repository = std::move(repository), .folder = folder.string()};
  std::set<std::pair<dev_t, ino_t>> counted;
  for_each_below(folder, [&](const fs::directory_entry& entry) {
    struct stat status{};
    if (::lstat(entry.path().c_str(), &status) != 0 || !S_ISREG(status.st_mode) ||
        !counted.emplace(status.st_dev, status.st_ino).second) {
      return;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    model.size += size;
    model.modified = std::max<std::int64_t>(model.modified, status.st_mtime);
    if (entry.path().extension() == ".incomplete") {
      model.incomplete += size;
    }
  });
  for_each_below(folder / "refs", [&](const fs::directory_entry& entry) {
    if (entry.is_regular_file()) {
      model.revisions.push_back(entry.path().lexically_relative(folder / "refs").generic_string());
    }
  });
  for_each_below(folder / "snapshots", [&](const fs::directory_entry& entry) {
    if (!entry.is_directory()) {
      ++model.num_files;
    } else if (entry.path().parent_path() == folder / "snapshots") {
      model.commits.push_back(entry.path().filename().string());
    }
  });
  std::ranges::sort(model.revisions);
  std::ranges::sort(model.commits);
  return model;
}

/// Locks of all its blobs, or an error naming what is being downloaded.
std::vector<CacheLock> lock_all(const CachedRepository& cache, const std::string& repository) {
  std::vector<CacheLock> locks;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache.locks(), error)) {
    auto lock = CacheLock::try_take(entry.path());
    if (!lock) {
      throw Error(ErrorCode::kIo, fmt::format("'{}' is being downloaded by another process (it holds {}), so it is not "
                                              "deleted",
                                              repository, entry.path().string()));
    }
    locks.push_back(std::move(*lock));
  }
  return locks;
}

}  // namespace

std::string cache_folder() {
  const auto cache = hub_cache_folder();
  return cache ? cache->string() : std::string();
}

std::vector<CachedModel> cached_models() {
  std::vector<CachedModel> models;
  const auto cache = hub_cache_folder();
  std::error_code error;
  if (!cache || !fs::is_directory(*cache, error)) {
    return models;
  }
  for (const auto& entry : fs::directory_iterator(*cache, error)) {
    std::error_code ignored;
    if (auto repository = repository_of_folder(entry.path().filename().string());
        repository && entry.is_directory(ignored)) {
      models.push_back(describe(entry.path(), std::move(*repository)));
    }
  }
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", cache->string(), error.message()));
  }
  std::ranges::sort(models, {}, &CachedModel::repository);
  return models;
}

CachedModel delete_cached_model(const std::string& name) {
  const auto cache_path = hub_cache_folder();
  const ModelName parsed = parse_model_name(name);
  for (const std::string& repository : candidate_repositories(parsed.repository)) {
    if (!cache_path || !is_repository_name(repository)) {
      continue;
    }
    const CachedRepository cache(*cache_path, repository);
    std::error_code error;
    if (!fs::is_directory(cache.folder(), error)) {
      continue;
    }
    CachedModel model = describe(cache.folder(), repository);
    const std::vector<CacheLock> locks = lock_all(cache, repository);
    // Out of sight in one step; a half-deleted model is never found.
    const fs::path grave =
        cache.cache() / fmt::format(".deleted-{}-{}", cache.folder().filename().string(), ::getpid());
    fs::rename(cache.folder(), grave, error);
    if (!error) {
      fs::remove_all(grave, error);
    }
    if (error) {
      throw Error(ErrorCode::kIo, fmt::format("cannot delete {}: {}", cache.folder().string(), error.message()));
    }
    fs::remove_all(cache.locks(), error);  // what is left of it takes no room
    return model;
  }
  throw Error(ErrorCode::kModelNotFound, fmt::format("the cache {} holds no model '{}'", cache_folder(), name));
}

}  // namespace mlxe
