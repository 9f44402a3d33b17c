// AtomicFile: a temporary file beside the wanted one, made durable and renamed.
#include <cassert>
#include <cerrno>
#include <random>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

[[noreturn]] void throw_cannot_write(const std::filesystem::path& path, int error, std::size_t missing_bytes = 0) {
  std::string message = fmt::format("cannot write {}: {}", path.string(), std::generic_category().message(error));
  if (error == ENOSPC && missing_bytes > 0) {
    message += fmt::format(" (needed {} more bytes)", missing_bytes);
  }
  throw Error(ErrorCode::kIo, message);
}

int open_retrying(const std::filesystem::path& path, int flags, mode_t mode = 0) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

/// Links in here look like links to files, but stand for descriptors that are already open.
bool names_open_descriptor(const std::filesystem::path& path) {
  const std::string& text = path.native();
  return text.starts_with("/proc/") || text.starts_with("/dev/fd/");
}

/// Follows links to the file that they stand for, which need not exist: replacing a link would cut it from its target.
/// Stops at an open descriptor.
std::filesystem::path follow_links(const std::filesystem::path& path) {
  std::filesystem::path followed = path;
  std::error_code error;
  constexpr int kMaxLinks = 40;  // as Linux
  for (int links = 0; !names_open_descriptor(followed); ++links) {
    const std::filesystem::path target = std::filesystem::read_symlink(followed, error);
    if (error) {
      break;  // no link; opening it says what else may be wrong
    }
    if (links == kMaxLinks) {
      throw_cannot_write(path, ELOOP);
    }
    followed = followed.parent_path() / target;
  }
  return followed;
}

/// Hidden, so that nobody's *.npy takes it for a result; shortened, so that any name that fits still fits.
std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  constexpr std::size_t kMaxStem = 200;  // of the 255 bytes of a file name
  std::random_device random;
  return path.parent_path() /
         fmt::format(".{}.tmp-{}-{:08x}", path.filename().string().substr(0, kMaxStem), ::getpid(), random());
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw_cannot_write(path, errno, bytes.size());
    }
  }
}

void sync_folder(const std::filesystem::path& file) {
  const std::filesystem::path parent = file.parent_path();
  const int folder = open_retrying(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY);
  if (folder < 0) {
    return;  // a folder that may be written but not read; the file itself is durable
  }
  const int error = ::fsync(folder) == 0 ? 0 : errno;
  ::close(folder);
  // Some network file systems cannot sync folders and say EINVAL.
  if (error != 0 && error != EINVAL) {
    throw_cannot_write(file, error);
  }
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  struct stat existing{};
  const bool exists = ::stat(path_.c_str(), &existing) == 0;
  if (exists && S_ISDIR(existing.st_mode)) {
    throw_cannot_write(path_, EISDIR);
  }
  const std::filesystem::path target = follow_links(path_);
  if (exists && (!S_ISREG(existing.st_mode) || names_open_descriptor(target))) {
    // Appending: standard output may be a file that already holds something.
    descriptor_ = open_retrying(path_, O_WRONLY | O_APPEND | O_NOCTTY);
    if (descriptor_ < 0) {
      throw_cannot_write(path_, errno);
    }
    return;
  }
  // A rename needs no right to write the old file; whoever took that right away meant it.
  if (exists && ::faccessat(AT_FDCWD, target.c_str(), W_OK, AT_EACCESS) != 0) {
    throw_cannot_write(path_, errno);
  }
  path_ = target;
  do {
    temporary_ = temporary_beside(path_);
    descriptor_ = open_retrying(temporary_, O_WRONLY | O_CREAT | O_EXCL, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) {
    throw_cannot_write(path_, errno);
  }
  if (exists && ::fchmod(descriptor_, existing.st_mode & 07777U) != 0) {
    const int error = errno;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
    throw_cannot_write(path_, error);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) {
    return;
  }
  ::close(descriptor_);
  if (!direct()) {
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::write(std::string_view bytes) {
  assert(descriptor_ >= 0);
  write_all(descriptor_, bytes, path_);
}

void AtomicFile::write_at(std::size_t offset, std::string_view bytes) {
  assert(descriptor_ >= 0 && !direct());
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count >= 0) {
      offset += static_cast<std::size_t>(count);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      throw_cannot_write(path_, errno, bytes.size());
    }
  }
}

void AtomicFile::commit() {
  assert(descriptor_ >= 0);
  if (!direct() && ::fsync(descriptor_) != 0) {
    throw_cannot_write(path_, errno);  // the destructor removes the temporary file
  }
  // Network file systems report a full disk as late as here. The descriptor is gone even then.
  int error = ::close(std::exchange(descriptor_, -1)) == 0 || errno == EINTR ? 0 : errno;
  if (direct()) {
    if (error != 0) {
      throw_cannot_write(path_, error);
    }
    return;
  }
  if (error == 0 && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    ::unlink(temporary_.c_str());
    throw_cannot_write(path_, error);
  }
  sync_folder(path_);
}

}  // namespace mlxe
