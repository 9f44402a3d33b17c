// Which files of a repository a model needs: configuration, tokenizer, safetensors, the folders of
// sentence-transformers.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe {

/// A file as the hub lists it.
struct RemoteFile {
  std::string name;
  std::string hash = {};                   ///< SHA-256 of a large file, git's SHA-1 of a small one; empty if not told
  std::optional<std::uint64_t> size = {};  ///< nothing if not told
  [[nodiscard]] bool is_large() const { return hash.size() == 64; }  ///< kept by Git LFS
};

/// The files that say which others are needed: present ones of modules.json and the index of the weights, and all small
/// ones of the repository's top folder.
[[nodiscard]] std::vector<std::string> select_first(const std::vector<RemoteFile>& files);

/// The other files: weights, and all that a model needs of the folders of its modules.
/// \param read   the content of a file of select_first()
/// \param where  names the repository in errors
/// \param gguf   the GGUF file to take in the place of all other weights, as choose_gguf() reads it. Without it one is
///               taken if there are no other weights.
/// \throws Error{kUnsupported} if there are no weights that this program reads, saying what there is and what to do;
///         Error{kCorruptModel} for an index or a list of modules that names a file which is not there or an unsafe
///         path; Error{kModelNotFound} as choose_gguf()
[[nodiscard]] std::vector<std::string> select_rest(const std::vector<RemoteFile>& files,
                                                   const std::function<std::string(const std::string&)>& read,
                                                   std::string_view where, const std::optional<std::string>& gguf = {});

/// The GGUF files of the top folder.
[[nodiscard]] std::vector<std::string> ggufs_of(const std::vector<RemoteFile>& files);

}  // namespace mlxe
