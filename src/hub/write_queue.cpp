// One mutex and one condition variable: there are a thousand tasks to a gigabyte.
#include "hub/write_queue.h"

#include <utility>

namespace mlxe {

WriteQueue::WriteQueue() : thread_([this] { run(); }) {}

WriteQueue::~WriteQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WriteQueue::push(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.size() < kMaxWaiting; });
  tasks_.push_back(std::move(task));
  lock.unlock();
  changed_.notify_all();
}

void WriteQueue::wait_until_empty() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty() && !busy_; });
}

void WriteQueue::wait_for_a_task(std::chrono::milliseconds most) {
  std::unique_lock lock(mutex_);
  const std::size_t before = num_ended_;
  changed_.wait_for(lock, most, [&] { return num_ended_ != before; });
}

void WriteQueue::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) {
      return;
    }
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    busy_ = true;
    lock.unlock();
    changed_.notify_all();
    task();
    task = nullptr;
    lock.lock();
    busy_ = false;
    ++num_ended_;
    changed_.notify_all();
  }
}

}  // namespace mlxe
