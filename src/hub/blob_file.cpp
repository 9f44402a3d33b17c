// Writing at the end, hashing in the same pass.
#include "hub/blob_file.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/blob_hash.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kFirstBytes = 64;
constexpr std::uint64_t kSyncedBytes = std::uint64_t{64} << 20U;  // tokenizers and configuration are smaller

[[noreturn]] void throw_cannot(const char* verb, const std::filesystem::path& path, int error,
                               std::uint64_t missing = 0) {
  throw Error(ErrorCode::kIo,
              fmt::format("cannot {} {}: {}{}", verb, path.string(), std::generic_category().message(error),
                          missing > 0 ? fmt::format(" ({} bytes were still to come)", missing) : ""));
}

}  // namespace

/// What the queue's thread owns.
struct BlobFile::Work {
  std::filesystem::path path;
  std::string hash_name;
  std::uint64_t whole_size = 0;
  int descriptor = -1;
  std::uint64_t written = 0;
  std::optional<BlobHash> hash;

  ~Work() {
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }

  void start_hash() {
    hash.reset();
    if (is_blob_hash(hash_name)) {
      hash.emplace(hash_name, whole_size);
    }
  }

  void write(const char* bytes, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
      const ssize_t now = ::pwrite(descriptor, bytes + done, count - done, static_cast<off_t>(written + done));
      if (now >= 0) {
        done += static_cast<std::size_t>(now);
      } else if (errno != EINTR) {
        throw_cannot("write", path, errno, whole_size - written - done);
      }
    }
    if (hash) {
      hash->add(bytes, count);
    }
    written += count;
  }

  void hash_beginning(std::uint64_t count) {
    start_hash();
    ByteBuffer buffer;
    while (written < count) {
      const ssize_t now =
          ::pread(descriptor, buffer.bytes.get(),
                  static_cast<std::size_t>(std::min<std::uint64_t>(ByteBuffer::kCapacity, count - written)),
                  static_cast<off_t>(written));
      if (now < 0 && errno == EINTR) {
        continue;
      }
      if (now <= 0) {
        throw_cannot("read", path, now < 0 ? errno : EIO);
      }
      if (hash) {
        hash->add(buffer.bytes.get(), static_cast<std::size_t>(now));
      }
      written += static_cast<std::uint64_t>(now);
    }
  }
};

BlobFile::BlobFile(std::filesystem::path path, std::string_view hash, std::uint64_t size, WriteQueue& queue)
    : path_(std::move(path)), queue_(queue), work_(std::make_unique<Work>()) {
  work_->path = path_;
  work_->hash_name = hash;
  work_->whole_size = size;
  do {
    work_->descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  } while (work_->descriptor < 0 && errno == EINTR);
  struct stat status{};
  if (work_->descriptor < 0 || ::fstat(work_->descriptor, &status) != 0) {
    throw_cannot("write", path_, errno);
  }
  size_ = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (size_ > size) {
    if (::ftruncate(work_->descriptor, 0) != 0) {
      throw_cannot("write", path_, errno);
    }
    size_ = 0;
  }
  push([count = size_](Work& work) { work.hash_beginning(count); });
}

BlobFile::~BlobFile() {
  queue_.wait_until_empty();
}

void BlobFile::push(std::function<void(Work&)> step) {
  queue_.push([this, step = std::move(step)] {
    if (failed_) {
      return;
    }
    try {
      step(*work_);
    } catch (...) {
      problem_ = std::current_exception();
      failed_ = true;
    }
  });
}

void BlobFile::append(ByteBuffer buffer) {
  size_ += buffer.size;
  // std::function wants what can be copied.
  push([shared = std::make_shared<ByteBuffer>(std::move(buffer))](Work& work) {
    work.write(shared->bytes.get(), shared->size);
  });
}

void BlobFile::restart() {
  size_ = 0;
  push([](Work& work) {
    if (::ftruncate(work.descriptor, 0) != 0) {
      throw_cannot("write", work.path, errno);
    }
    work.written = 0;
    work.start_hash();
  });
}

void BlobFile::finish() {
  push([this](Work& work) {
    // A rename may be on disk before the bytes are: after a power cut the name would promise what is not there. Of
    // weights the reader notices, as their header tells their length; waiting for the disk would halve a fast download.
    if (work.whole_size <= kSyncedBytes && ::fsync(work.descriptor) != 0 && errno != EINVAL) {
      throw_cannot("write", work.path, errno);
    }
    char first[kFirstBytes];
    const ssize_t count = ::pread(work.descriptor, first, sizeof(first), 0);
    first_bytes_.assign(first, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    found_hash_ = work.hash ? work.hash->finish() : work.hash_name;
    finished_ = true;
  });
}

bool BlobFile::finished() const {
  if (failed_) {
    std::rethrow_exception(problem_);
  }
  return finished_;
}

void BlobFile::publish(const std::filesystem::path& place) {
  if (::rename(path_.c_str(), place.c_str()) != 0) {
    throw_cannot("write", place, errno);
  }
}

void BlobFile::remove() {
  queue_.wait_until_empty();
  ::unlink(path_.c_str());
}

}  // namespace mlxe
