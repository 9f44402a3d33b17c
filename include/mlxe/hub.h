// Models of the Hugging Face Hub on this machine: download, verify, list and delete, in the cache that all its tools
// share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mlxe/error.h"

namespace mlxe {

/// How far a download or a check has come.
struct TransferProgress {
  std::string_view file;         ///< the file that moved last; valid during the call
  std::uint64_t done_bytes = 0;  ///< with what was there already
  std::uint64_t total_bytes = 0;
  std::uint64_t new_bytes = 0;  ///< of done_bytes, those of this call: what a rate is computed from
  std::size_t done_files = 0;
  std::size_t num_files = 0;
};

/// How names are turned into folders. The environment adds to it as for Hugging Face's own tools (docs/hub.md).
struct HubOptions {
  /// Branch, tag or commit; wins over "@revision" of a name. Empty: "main".
  std::optional<std::string> revision = {};
  bool offline = false;     ///< open no socket; HF_HUB_OFFLINE=1 says the same
  int max_connections = 4;  ///< at once, for all files together
  /// Several times a second during a download or a check; returning false ends it with Error{kCancelled}. What was
  /// downloaded stays and is continued next time.
  std::function<bool(const TransferProgress&)> on_progress = {};
  /// What a user should know: that another process is waited for, that the hub wants a pause, that a copy of the cache
  /// is used because the hub cannot be reached.
  std::function<void(std::string_view)> on_message = {};
};

/// A model's files on this machine.
struct Snapshot {
  std::string folder;           ///< to hand to Engine::load(); of a model in GGUF the path of its file
  std::string repository = {};  ///< "org/name"; empty for a folder that was named itself
  std::string revision = {};    ///< as asked for
  std::string commit = {};      ///< what the revision stands for
  std::uint64_t new_bytes = 0;  ///< downloaded by this call
  std::size_t num_files = 0;    ///< that were wanted; 0 if the hub was not asked
};

/// The folder of a model, from the network only if need be. An existing folder or GGUF file wins; else an alias,
/// "org/name", "org/name@revision" or "hf://org/name" is looked up in the cache, and what is missing there is
/// downloaded. ":Q4_K_M" or ":FILE.gguf" behind the name of a folder or repository takes that one of its GGUF files.
/// \throws Error{kModelNotFound} where no such model, revision or right to read it is, with what to do about it;
///         Error{kUnsupported} for a repository without safetensors; Error{kCorruptModel} for content whose hash is
///         wrong twice; Error{kIo} for the network and the disk; Error{kCancelled}
[[nodiscard]] Snapshot find_model(const std::string& name, const HubOptions& options = {});

/// find_model() that always asks the hub what the revision is now, and downloads what is missing of that.
[[nodiscard]] Snapshot download_model(const std::string& name, const HubOptions& options = {});

/// One file of a snapshot, hashed again.
struct VerifiedFile {
  enum class State {
    kIntact,     ///< its content has the hash that it is named after
    kCorrupt,    ///< it has another
    kMissing,    ///< the snapshot links to a file that is gone
    kUnchecked,  ///< the cache holds a copy without a name that is a hash
  };
  std::string name;  ///< in the repository
  std::string path;  ///< of the content
  State state = State::kIntact;
  std::uint64_t size = 0;
  std::string wanted = {};  ///< hash: SHA-256, or git's SHA-1 of a small file
  std::string found = {};
};

struct Verification {
  Snapshot snapshot;
  std::vector<VerifiedFile> files;    ///< sorted by name
  [[nodiscard]] bool intact() const;  ///< none is corrupt or missing
};

/// Reads every file of a cached snapshot and compares its hash with the one that it is named after. Never downloads.
[[nodiscard]] Verification verify_model(const std::string& name, const HubOptions& options = {});

/// Removes the corrupt files of a verification and downloads those, and only those, again.
/// \throws as download_model()
Snapshot repair_model(const Verification& verification, const HubOptions& options = {});

/// One repository of the cache.
struct CachedModel {
  std::string repository;
  std::string folder;
  std::uint64_t size = 0;        ///< of its files, each counted once
  std::uint64_t incomplete = 0;  ///< of size: what interrupted downloads left
  std::size_t num_files = 0;
  std::vector<std::string> revisions = {};  ///< names that are known, sorted
  std::vector<std::string> commits = {};    ///< snapshots, sorted
  std::int64_t modified = 0;                ///< seconds since 1970 of the newest file
};

/// All models of the cache, sorted by name; none if there is no cache.
[[nodiscard]] std::vector<CachedModel> cached_models();

/// Where the cache is; empty if the environment names no place.
[[nodiscard]] std::string cache_folder();

/// Removes a repository from the cache, all its revisions.
/// \throws Error{kModelNotFound} if it is not there; Error{kIo} if it is being downloaded, or cannot be removed
CachedModel delete_cached_model(const std::string& name);

struct UploadOptions {
  std::string revision = "main";  ///< the branch that gets the commit
  std::string message = "Upload model";
  bool is_private = false;  ///< of a repository that is made
  /// done_bytes are those that the hub has. Returning false ends it with Error{kCancelled} and no commit.
  std::function<bool(const TransferProgress&)> on_progress = {};
  std::function<void(std::string_view)> on_message = {};
};

struct Upload {
  std::string url;     ///< of the repository, for people
  std::string commit;  ///< that holds the files; empty if the hub tells none
  std::size_t num_files = 0;
  std::uint64_t new_bytes = 0;  ///< sent; large files that the hub had are not sent again
};

/// What upload_folder() would refuse before its first question. \throws as it does
void check_upload(const std::string& repository, const std::string& revision = "main");

/// Puts all files of a folder, but hidden ones, into a repository as one commit; makes the repository if need be. Large
/// files go through Git LFS. Other files of the repository stay.
/// \param repository  "org/name"
/// \throws Error{kInvalidInput} for a bad name, a folder without files, or without a token (HF_TOKEN);
/// Error{kUnsupported}
///         when offline; Error{kModelNotFound} where the token may not write; Error{kIo}, Error{kCancelled}
Upload upload_folder(const std::string& folder, const std::string& repository, const UploadOptions& options = {});

}  // namespace mlxe
