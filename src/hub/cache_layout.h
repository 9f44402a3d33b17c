// The cache's layout on disk, byte for byte that of huggingface_hub: blobs, refs, snapshots, what does not exist,
// locks.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace mlxe {

/// One repository's place in the cache. Holds paths only; nothing is touched until a function says so.
///
///     models--org--name/blobs/<hash>                 the contents, named after their hashes
///     models--org--name/blobs/<hash>.incomplete      the beginning of one
///     models--org--name/refs/<revision>              the commit that a branch or tag was at
///     models--org--name/snapshots/<commit>/<file>    a relative link to ../../blobs/<hash>
///     models--org--name/.no_exist/<commit>/<file>    an empty file: the commit has no such file
///     .locks/models--org--name/<hash>.lock           held while the blob is downloaded
class CachedRepository {
 public:
  /// \param repository  a name that is_repository_name() accepts
  CachedRepository(std::filesystem::path cache, std::string_view repository);

  [[nodiscard]] const std::filesystem::path& cache() const { return cache_; }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path blob(std::string_view hash) const;
  [[nodiscard]] std::filesystem::path incomplete(std::string_view hash) const;
  [[nodiscard]] std::filesystem::path lock(std::string_view hash) const;
  [[nodiscard]] std::filesystem::path locks() const;
  [[nodiscard]] std::filesystem::path snapshot(std::string_view commit) const;

  /// The commit that the cache knows a revision by; a commit stands for itself. Nothing if it knows none.
  [[nodiscard]] std::optional<std::string> commit_of(std::string_view revision) const;
  /// True if an earlier look found the commit without this file.
  [[nodiscard]] bool known_absent(std::string_view commit, std::string_view file) const;
  /// True if the snapshot holds the file (through a link that leads somewhere).
  [[nodiscard]] bool has_file(std::string_view commit, std::string_view file) const;

  /// Remembers a revision's commit; a reader sees the old one or the new. Does nothing if it is known or is the commit.
  void write_reference(std::string_view revision, std::string_view commit) const;
  void mark_absent(std::string_view commit, std::string_view file) const;
  /// Puts a finished blob into a snapshot: a relative link, or without links a copy (of a blob that was there before)
  /// or the blob itself, moved. \throws Error{kIo}
  void publish(std::string_view commit, std::string_view file, std::string_view hash, bool symlinks,
               bool is_new_blob) const;
  /// Makes the folders of blobs, and marks the cache as one that backups may leave out. Throws Error{kIo}.
  void prepare() const;

 private:
  std::filesystem::path cache_;
  std::string name_;  ///< models--org--name
  std::filesystem::path folder_;
};

/// "models--org--name" -> "org/name"; nothing for another folder.
[[nodiscard]] std::optional<std::string> repository_of_folder(std::string_view folder_name);

}  // namespace mlxe
