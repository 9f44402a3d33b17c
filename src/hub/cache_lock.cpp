// flock(2), as the Python package filelock takes it.
#include "hub/cache_lock.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mlxe/error.h"

namespace mlxe {

std::optional<CacheLock> CacheLock::try_take(const std::filesystem::path& path) {
  std::error_code ignored;
  std::filesystem::create_directories(path.parent_path(), ignored);  // open() says what is wrong
  constexpr mode_t kSharedByGroup = 0664;
  while (true) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kSharedByGroup);
    if (descriptor < 0 && errno == EINTR) {
      continue;
    }
    if (descriptor < 0) {
      throw Error(ErrorCode::kIo,
                  fmt::format("cannot open the lock {}: {}", path.string(), std::generic_category().message(errno)));
    }
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      if (error == EINTR) {
        ::close(descriptor);
        continue;
      }
      if (error == EWOULDBLOCK) {
        ::close(descriptor);
        return std::nullopt;
      }
      return CacheLock(descriptor, Kind::kUnavailable);
    }
    // Whoever held it may have removed the file meanwhile; then this lock is on a file that nobody else sees.
    struct stat opened{};
    struct stat named{};
    if (::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino) {
      return CacheLock(descriptor, Kind::kHeld);
    }
    ::close(descriptor);
  }
}

CacheLock::CacheLock(CacheLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), kind_(other.kind_) {}

CacheLock& CacheLock::operator=(CacheLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(kind_, other.kind_);
  return *this;
}

CacheLock::~CacheLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace mlxe
