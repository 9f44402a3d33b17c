// A thread that writes and hashes, so that the network is never made to wait for the disk or a hash.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace mlxe {

/// Bytes on their way to a file.
struct ByteBuffer {
  static constexpr std::size_t kCapacity = std::size_t{256} << 10U;  // fits a core's own cache
  std::unique_ptr<char[]> bytes = std::make_unique_for_overwrite<char[]>(kCapacity);
  std::size_t size = 0;
  [[nodiscard]] std::size_t room() const { return kCapacity - size; }
};

/// Runs tasks one after the other in the order given.
class WriteQueue {
 public:
  WriteQueue();
  ~WriteQueue();  ///< after the tasks that are in it
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// Waits while more than kMaxWaiting tasks are in the queue: a slow disk slows the network down, memory stays flat.
  /// \param task  must not throw
  void push(std::function<void()> task);
  void wait_until_empty();
  /// Returns when a task has ended, or after `most`.
  void wait_for_a_task(std::chrono::milliseconds most);

 private:
  static constexpr std::size_t kMaxWaiting = 64;  // 16 MiB
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::size_t num_ended_ = 0;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace mlxe
