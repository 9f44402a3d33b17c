// Looking up a model: folder, alias, cache, and the hub if need be.
#include "hub/resolve.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest.h"
#include "base/utf8.h"
#include "hub/cache_layout.h"
#include "hub/families.h"
#include "hub/find_model.h"
#include "hub/gguf_choice.h"
#include "hub/hub_api.h"
#include "hub/model_name.h"
#include "hub/snapshot_check.h"
#include "hub/snapshot_download.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// A folder, or a whole model in one file.
bool is_local(const std::string& name) {
  return is_folder(name) || (is_file(name) && fs::path(name).extension() == ".gguf");
}

std::optional<Snapshot> local_model(const std::string& name, const HubOptions& options) {
  const std::size_t colon = name.rfind(':');
  const std::string before_colon = name.substr(0, colon);
  const bool is_choice = colon != std::string::npos && !is_local(name) && is_folder(before_colon);
  if (!is_local(name) && !is_choice) {
    return std::nullopt;
  }
  if (options.revision) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the revision '{}' is for a model of the hub, and '{}' is on this machine",
                            printable(*options.revision, 100), printable(name, 300)));
  }
  return Snapshot{.folder = is_choice ? model_path(before_colon, name.substr(colon + 1),
                                                   fmt::format("'{}'", printable(before_colon, 300)))
                                            .string()
                                      : name};
}

// A whole model in one file.
bool holds_gguf(const fs::path& folder) {
  std::error_code ignored;
  const fs::directory_iterator entries(folder, ignored);
  return std::any_of(begin(entries), end(entries),
                     [](const fs::directory_entry& entry) { return entry.path().extension() == ".gguf"; });
}

// What nobody types for a repository: "org/name" has one slash between two plain words.
bool looks_like_path(std::string_view name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') || name.ends_with('/') ||
         name.find('\\') != std::string_view::npos || std::ranges::count(name, '/') > 1;
}

std::string suggestion(std::string_view name) {
  const auto nearest = nearest_name(name, known_model_names());
  return nearest && *nearest != name ? fmt::format("; did you mean '{}'?", *nearest) : std::string();
}

/// A name taken apart and checked, with all that it may stand for.
struct Wanted {
  std::string name;  ///< without the revision
  std::string revision;
  std::optional<std::string> gguf;
  std::vector<std::string> repositories;
};

Wanted parse(const std::string& name, const HubOptions& options) {
  if (name.empty()) {
    throw Error(ErrorCode::kInvalidInput, "the name of the model is empty, a folder or a name is wanted");
  }
  if (is_file(name)) {  // find_model() has taken a GGUF file before
    throw Error(ErrorCode::kModelNotFound, fmt::format("'{}' is a file, the folder of a model is wanted", name));
  }
  const ModelName parsed = parse_model_name(name);
  if (looks_like_path(parsed.repository) || !is_repository_name(parsed.repository) ||
      (parsed.gguf && !is_gguf_choice(*parsed.gguf))) {
    throw Error(ErrorCode::kModelNotFound,
                fmt::format("there is no model folder '{}'", printable(name, 300)) + suggestion(name));
  }
  const std::string revision = options.revision ? *options.revision : parsed.revision.value_or("main");
  if (!is_revision(revision)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("'{}' is no revision, wanted a branch, a tag or a commit", printable(revision, 100)));
  }
  return {.name = parsed.repository,
          .revision = revision,
          .gguf = parsed.gguf,
          .repositories = candidate_repositories(parsed.repository)};
}

std::optional<Snapshot> in_cache(const Wanted& wanted, const std::string& repository) {
  const auto cache_path = hub_cache_folder();
  if (!cache_path) {
    return std::nullopt;
  }
  const CachedRepository cache(*cache_path, repository);
  const auto commit = cache.commit_of(wanted.revision);
  if (!commit) {
    return std::nullopt;
  }
  return Snapshot{.folder = cache.snapshot(*commit).string(),
                  .repository = repository,
                  .revision = wanted.revision,
                  .commit = *commit};
}

std::string at_revision(const Wanted& wanted) {
  return wanted.revision == "main" ? std::string() : fmt::format(" at revision '{}'", wanted.revision);
}

/// \param after  what the hub said, if it was asked
[[noreturn]] void throw_not_found(const Wanted& wanted, std::string_view after, ErrorCode code) {
  std::string looked;
  if (const auto cache = hub_cache_folder()) {
    std::vector<std::string> folders;
    for (const std::string& repository : wanted.repositories) {
      folders.push_back(fmt::format("'{}'", CachedRepository(*cache, repository).folder().string()));
    }
    looked = fmt::format("the Hugging Face cache lacks it (looked for {})", fmt::join(folders, " and "));
  } else {
    looked = "the Hugging Face cache has no place, as HF_HUB_CACHE, HF_HOME and HOME are all unset";
  }
  throw Error(code, fmt::format("there is no model '{}'{}: no folder of that name, {}, and {}{}", wanted.name,
                                at_revision(wanted), looked, after, suggestion(wanted.name)));
}

bool is_offline(const HubOptions& options) {
  return options.offline || read_hub_environment().offline;
}

constexpr std::string_view kNotAsked = "the hub was not asked, as HF_HUB_OFFLINE or --offline says";

Snapshot download(const Wanted& wanted, const HubOptions& options) {
  const HubEnvironment environment = online_environment(wanted.name, options);
  try {
    for (const std::string& repository : wanted.repositories) {
      if (auto snapshot = download_snapshot(repository, wanted.revision, environment, options, {.gguf = wanted.gguf})) {
        return *snapshot;
      }
    }
  } catch (const HubUnreachable& error) {
    throw_not_found(wanted, error.what(), ErrorCode::kIo);
  }
  throw_not_found(wanted,
                  fmt::format("{} shows none of that name{}", environment.endpoint,
                              environment.token ? "" : " without a token (HF_TOKEN, for private ones)"),
                  ErrorCode::kModelNotFound);
}

/// Adds to a snapshot what it lacks, at its own commit; a copy that loads will do if the hub cannot be reached.
Snapshot complete(const Wanted& wanted, const Snapshot& found, Completeness state, const HubOptions& options) {
  const HubEnvironment environment = online_environment(found.repository, options);
  try {
    if (auto snapshot =
            download_snapshot(found.repository, found.commit, environment, options, {.gguf = wanted.gguf})) {
      snapshot->revision = found.revision;
      return *snapshot;
    }
    if (state == Completeness::kIncomplete) {
      throw Error(ErrorCode::kModelNotFound, fmt::format("{} holds a part of '{}', and {} no longer has it",
                                                         found.folder, found.repository, environment.endpoint));
    }
  } catch (const HubUnreachable& error) {
    if (state == Completeness::kIncomplete) {
      throw Error(ErrorCode::kIo,
                  fmt::format("{} holds a part of '{}', and {}", found.folder, found.repository, error.what()));
    }
    if (options.on_message) {
      options.on_message(fmt::format("{}; using revision {} of '{}' as the cache has it", error.what(), found.commit,
                                     found.repository));
    }
  }
  return found;
}

/// With the path to load in the place of the snapshot's folder.
Snapshot at_model(const Wanted& wanted, Snapshot snapshot) {
  snapshot.folder =
      model_path(snapshot.folder, wanted.gguf, fmt::format("the cache's copy of '{}'", snapshot.repository)).string();
  return snapshot;
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

}  // namespace

HubEnvironment online_environment(std::string_view name, const HubOptions& options) {
  HubEnvironment environment = read_hub_environment();
  if (options.offline || environment.offline) {
    throw Error(ErrorCode::kModelNotFound, fmt::format("'{}' would have to be downloaded, but {}", name, kNotAsked));
  }
  return environment;
}

Snapshot find_cached_snapshot(const std::string& name, const HubOptions& options) {
  const Wanted wanted = parse(name, options);
  for (const std::string& repository : wanted.repositories) {
    if (auto snapshot = in_cache(wanted, repository)) {
      return *snapshot;
    }
  }
  throw_not_found(wanted, "only the cache was looked at", ErrorCode::kModelNotFound);
}

Snapshot find_model(const std::string& name, const HubOptions& options) {
  if (auto snapshot = local_model(name, options)) {
    return *std::move(snapshot);
  }
  const Wanted wanted = parse(name, options);
  for (const std::string& repository : wanted.repositories) {
    if (const auto snapshot = in_cache(wanted, repository)) {
      const Completeness state =
          check_snapshot(CachedRepository(*hub_cache_folder(), repository), snapshot->commit, wanted.gguf);
      return at_model(wanted, state == Completeness::kComplete || is_offline(options)
                                  ? *snapshot
                                  : complete(wanted, *snapshot, state, options));
    }
  }
  if (is_offline(options)) {
    throw_not_found(wanted, kNotAsked, ErrorCode::kModelNotFound);
  }
  return at_model(wanted, download(wanted, options));
}

Snapshot download_model(const std::string& name, const HubOptions& options) {
  if (auto snapshot = local_model(name, options)) {
    return *std::move(snapshot);
  }
  const Wanted wanted = parse(name, options);
  return at_model(wanted, download(wanted, options));
}

fs::path resolve_model(const std::string& name, const HubOptions& options) {
  const fs::path found = find_model(name, options).folder;
  return is_file(found) ? found : checked_folder(found);
}

}  // namespace mlxe
