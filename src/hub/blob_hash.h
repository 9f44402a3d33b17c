// The hash that a blob is named after, computed while its bytes arrive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace mlxe {

/// SHA-256 of the content (files in Git LFS), or git's SHA-1 of a blob: of "blob <size>\0" and the content.
class BlobHash {
 public:
  /// \param like  the hash to be compared with: 64 hexadecimal digits choose SHA-256, 40 git's SHA-1
  /// \param size  of the whole content
  BlobHash(std::string_view like, std::uint64_t size);
  ~BlobHash();
  BlobHash(BlobHash&&) noexcept;
  BlobHash& operator=(BlobHash&&) noexcept;

  void add(const void* bytes, std::size_t count);
  /// The hash in lower-case hexadecimal digits. Nothing may be added afterwards.
  [[nodiscard]] std::string finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// The hash of a whole file. \param like, size  as of BlobHash
/// \param on_bytes  told of each piece that was read; what it throws comes out
/// \throws Error{kIo} if the file cannot be read
[[nodiscard]] std::string hash_file(const std::filesystem::path& path, std::string_view like, std::uint64_t size,
                                    const std::function<void(std::size_t)>& on_bytes);

/// True for 40 or 64 lower-case hexadecimal digits: a name that BlobHash can check.
[[nodiscard]] bool is_blob_hash(std::string_view name);

}  // namespace mlxe
