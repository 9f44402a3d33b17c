// The hash that a blob is named after, computed while its bytes arrive.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// True for 40 or 64 lower-case hexadecimal digits: a name that BlobHash can check.
[[nodiscard]] bool is_blob_hash(std::string_view name);

}  // namespace mlxe
