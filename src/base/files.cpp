// Reading files whole and mapping them.
#include "base/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

[[noreturn]] void throw_cannot_read(const std::filesystem::path& path, int error) {
  throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", path.string(), std::generic_category().message(error)));
}

/// An open file; closes itself.
class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) {
    do {
      value_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    } while (value_ < 0 && errno == EINTR);
    if (value_ < 0) {
      throw_cannot_read(path, errno);
    }
  }
  ~Descriptor() { ::close(value_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_ = -1;
};

struct stat status_of(const Descriptor& file, const std::filesystem::path& path) {
  struct stat status{};
  if (::fstat(file.value(), &status) != 0) {
    throw_cannot_read(path, errno);
  }
  if (S_ISDIR(status.st_mode)) {
    throw_cannot_read(path, EISDIR);
  }
  return status;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const Descriptor file(path);
  const struct stat status = status_of(file, path);
  const auto announced = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  const auto throw_too_large = [&](std::string_view found) {
    throw Error(ErrorCode::kIo,
                fmt::format("cannot read {}: it has {} bytes, wanted at most {}", path.string(), found, max_bytes));
  };
  if (S_ISREG(status.st_mode) && announced > max_bytes) {
    throw_too_large(std::to_string(announced));
  }
  // Read to the end, whatever the announced size: pipes announce none, and a file may grow meanwhile.
  std::string content;
  std::size_t length = 0;
  content.resize(std::min(announced, max_bytes) + 1);
  while (true) {
    const ssize_t count = ::read(file.value(), content.data() + length, content.size() - length);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      throw_cannot_read(path, errno);
    }
    length += static_cast<std::size_t>(count);
    if (length > max_bytes) {
      throw_too_large(fmt::format("more than {}", max_bytes));
    }
    if (count == 0) {
      break;
    }
    if (length == content.size()) {
      content.resize(std::min(std::max<std::size_t>(content.size() * 2, 65'536), max_bytes + 1));
    }
  }
  content.resize(length);
  return content;
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(path);
  const struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kIo, fmt::format("cannot map {}: wanted a regular file", path.string()));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) {
    return;  // mmap refuses an empty range
  }
  void* const mapping = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value(), 0);
  if (mapping == MAP_FAILED) {
    const int error = errno;
    throw Error(ErrorCode::kIo,
                fmt::format("cannot map {}: {}", path.string(), std::generic_category().message(error)));
  }
  data_ = static_cast<const std::byte*>(mapping);
  // Most of it is read soon and in order: let a cold disk start now. Only advice, so a refusal does not matter.
  ::madvise(mapping, size_, MADV_WILLNEED);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) {
    ::munmap(const_cast<std::byte*>(data_), size_);
  }
}

void MappedFile::release_pages(const std::byte* begin, std::size_t count) const {
  // Offsets count from the mapping's start, which lies on a page. Neighbours may share the first and the last page,
  // so only whole pages of the range go.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto offset = static_cast<std::size_t>(begin - data_);
  const std::size_t first = (offset + page - 1) / page * page;
  const std::size_t last = std::min(offset + count, size_) / page * page;
  if (first < last) {
    ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
  }
}

}  // namespace mlxe
