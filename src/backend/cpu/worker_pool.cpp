// WorkerPool: the workers of a backend and the threads behind them, shared by all calls that run at once.
#include "backend/cpu/worker_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "backend/cpu/wait_awake.h"

namespace mlxe::cpu {
namespace {

/// Activations that a worker keeps between calls: a few micro-batches; one very long text is not paid for for ever.
constexpr std::size_t kKeptArenaBytes = std::size_t{32} << 20;

/// The first exception of several threads.
class FirstError {
 public:
  void keep(std::exception_ptr error) {
    if (!failed_.exchange(true)) {
      error_ = std::move(error);
    }
  }
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void rethrow() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

 private:
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

}  // namespace

WorkerPool::WorkerPool(int num_workers) {
  for (int i = 0; i < num_workers; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    free_workers_.push_back(workers_.back().get());
  }
  for (int i = 1; i < num_workers; ++i) {
    helpers_.push_back(std::make_unique<Helper>());
    Helper& helper = *helpers_.back();
    free_helpers_.push_back(&helper);
    helper.thread = std::thread([this, &helper] { helper_loop(helper); });
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (const auto& helper : helpers_) {
    helper->wake.notify_one();
    helper->thread.join();
  }
}

void WorkerPool::helper_loop(Helper& helper) {
  std::unique_lock lock(mutex_);
  while (true) {
    lock.unlock();
    wait_awake([&] { return helper.called.load(std::memory_order_relaxed); });
    lock.lock();
    helper.asleep = true;
    helper.wake.wait(lock, [&] { return stopping_ || helper.job; });
    helper.asleep = false;
    if (!helper.job) {
      return;
    }
    const std::function<void()> job = std::exchange(helper.job, nullptr);
    helper.called.store(false, std::memory_order_relaxed);
    lock.unlock();
    job();
    lock.lock();
    free_helpers_.push_back(&helper);
    helper.running->fetch_sub(1);  // the borrower may be gone from here on
    helper_done_.notify_all();
  }
}

WorkerPool::Lease WorkerPool::borrow() {
  std::unique_lock lock(mutex_);
  worker_free_.wait(lock, [this] { return !free_workers_.empty(); });
  // Every other call that runs holds a worker of its own, so free workers never outnumber free helpers by more than
  // one.
  const std::size_t count = std::min(free_workers_.size(), free_helpers_.size() + 1);
  Lease lease;
  lease.workers.assign(free_workers_.end() - static_cast<std::ptrdiff_t>(count), free_workers_.end());
  free_workers_.resize(free_workers_.size() - count);
  lease.helpers.assign(free_helpers_.end() - static_cast<std::ptrdiff_t>(count - 1), free_helpers_.end());
  free_helpers_.resize(free_helpers_.size() - (count - 1));
  return lease;
}

void WorkerPool::on_members(const Lease& lease, const std::function<void(int)>& member) {
  std::atomic<int> running{static_cast<int>(lease.helpers.size())};
  std::vector<Helper*> asleep;
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < lease.helpers.size(); ++i) {
      Helper& helper = *lease.helpers[i];
      helper.job = [&member, i] { member(static_cast<int>(i) + 1); };
      helper.running = &running;
      helper.called.store(true, std::memory_order_relaxed);
      if (helper.asleep) {
        asleep.push_back(&helper);
      }
    }
  }
  for (Helper* helper : asleep) {
    helper->wake.notify_one();
  }
  member(0);
  const auto all_done = [&] { return running.load() == 0; };
  if (!wait_awake(all_done)) {
    std::unique_lock lock(mutex_);
    helper_done_.wait(lock, all_done);
  }
}

void WorkerPool::give_back(const Lease& lease) {
  for (Worker* worker : lease.workers) {
    worker->arena.trim(kKeptArenaBytes);
  }
  {
    const std::lock_guard lock(mutex_);
    free_workers_.insert(free_workers_.end(), lease.workers.begin(), lease.workers.end());
  }
  worker_free_.notify_all();
}

void WorkerPool::run(std::size_t num_tasks, const Task& task) {
  if (num_tasks == 0) {
    return;
  }
  const Lease lease = borrow();
  const int count = static_cast<int>(lease.workers.size());
  FirstError error;
  const auto guarded = [&](Team& team, Worker& worker, std::size_t index) {
    try {
      task(team, worker, index);
    } catch (...) {
      error.keep(std::current_exception());
    }
  };
  if (count > 1 && num_tasks < lease.workers.size()) {
    Team team(count);
    on_members(lease, [&](int member) {
      if (member > 0) {
        team.help(member);
        return;
      }
      for (std::size_t i = 0; i < num_tasks && !error.failed(); ++i) {
        guarded(team, *lease.workers.front(), i);
      }
      team.dismiss();
    });
  } else {
    std::atomic<std::size_t> next{0};
    on_members(lease, [&](int member) {
      Team alone(1);
      for (std::size_t i = next.fetch_add(1); i < num_tasks && !error.failed(); i = next.fetch_add(1)) {
        guarded(alone, *lease.workers[static_cast<std::size_t>(member)], i);
      }
    });
  }
  give_back(lease);
  error.rethrow();
}

}  // namespace mlxe::cpu
