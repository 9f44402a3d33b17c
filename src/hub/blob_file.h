// BlobFile: the beginning of a blob on disk, continued, hashed on the way and published when it is whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "hub/write_queue.h"

namespace mlxe {

/// Always holds a correct beginning of the content: bytes are only ever added at its end. Calls come from one thread;
/// the work is done in the queue's.
class BlobFile {
 public:
  /// Opens or creates the file. What is there already is its beginning and is hashed first; a longer file than wanted
  /// is emptied.
  /// \param hash  what the content's is to be compared with; one that is no hash is not checked
  /// \throws Error{kIo}
  BlobFile(std::filesystem::path path, std::string_view hash, std::uint64_t size, WriteQueue& queue);
  ~BlobFile();  ///< waits for what was appended; the file stays
  BlobFile(const BlobFile&) = delete;
  BlobFile& operator=(const BlobFile&) = delete;

  /// Bytes that were appended or there at first.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  void append(ByteBuffer buffer);
  void restart();  ///< empties it
  void finish();   ///< computes the hash; size() must be the whole size. A file below 64 MiB is made durable, too

  /// True when finish() has done its work. \throws Error{kIo} of an earlier write
  [[nodiscard]] bool finished() const;
  [[nodiscard]] const std::string& found_hash() const { return found_hash_; }    ///< when finished
  [[nodiscard]] const std::string& first_bytes() const { return first_bytes_; }  ///< when finished: up to 64
  /// Renames it to its final name. \throws Error{kIo}
  void publish(const std::filesystem::path& place);
  void remove();

 private:
  struct Work;
  void push(std::function<void(Work&)> step);

  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  WriteQueue& queue_;
  std::unique_ptr<Work> work_;
  std::string found_hash_;
  std::string first_bytes_;
  std::exception_ptr problem_;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> finished_ = false;
};

}  // namespace mlxe
