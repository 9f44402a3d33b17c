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
/// \throws Error{kUnsupported} if there are no weights that this program reads, saying what there is and what to do;
///         Error{kCorruptModel} for an index or a list of modules that names a file which is not there or an unsafe
///         path
[[nodiscard]] std::vector<std::string> select_rest(const std::vector<RemoteFile>& files,
                                                   const std::function<std::string(const std::string&)>& read,
                                                   std::string_view where);

/// The file among several of GGUF that is taken unasked: the one of 8 bits, else the nearest to it in quality.
[[nodiscard]] std::optional<std::string> choose_gguf(const std::vector<std::string>& names);

}  // namespace mlxe
