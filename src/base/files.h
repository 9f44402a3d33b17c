// Files: read whole, map, and write so that a reader sees the old file or the complete new one.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mlxe {

/// \throws Error{kIo} naming the path; also if the file is larger than `max_bytes`
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::size_t max_bytes);

/// A file mapped for reading. Throws Error{kIo}.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Tells the kernel that the pages of this range are not needed for now (they are read again if touched).
  void release_pages(const std::byte* begin, std::size_t count) const;

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes to a temporary file beside `path`; commit() makes it durable and puts it in place, the destructor of an
/// uncommitted one removes it. A path that is no regular file (/dev/stdout, a FIFO) is written directly.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);  ///< throws Error{kIo} if it cannot be created
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::string_view bytes);                         ///< throws Error{kIo}: short write, full disk
  void write_at(std::size_t offset, std::string_view bytes);  ///< overwrites; not for direct writing
  [[nodiscard]] bool direct() const { return temporary_.empty(); }
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

}  // namespace mlxe
