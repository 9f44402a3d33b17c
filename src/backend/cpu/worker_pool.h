// WorkerPool: the workers of a backend and the threads behind them, shared by all calls that run at once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/cpu/arena.h"
#include "backend/cpu/team.h"

namespace mlxe::cpu {

/// What belongs to one worker for the time of a task.
struct Worker {
  Arena arena;
};

/// A call borrows workers that are free, at least one, and gives them back; the calling thread is the first of them.
class WorkerPool {
 public:
  using Task = std::function<void(Team& team, Worker& worker, std::size_t task)>;

  explicit WorkerPool(int num_workers);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  [[nodiscard]] int size() const { return static_cast<int>(workers_.size()); }

  /// Calls task(team, worker, i) for i in [0, num_tasks). With fewer tasks than free workers the tasks follow each
  /// other, each with a team of all those workers; else every worker takes tasks as they come, alone.
  /// \throws the first exception of a task; tasks not yet begun are dropped then
  void run(std::size_t num_tasks, const Task& task);

 private:
  /// A thread that waits until it is handed something to do: awake at first, as queries often follow each other, and
  /// waking up takes 40 us; then asleep.
  struct Helper {
    std::condition_variable wake;
    std::atomic<bool> called{false};  // a job is there
    bool asleep = false;
    std::function<void()> job;
    std::atomic<int>* running = nullptr;  // the borrower's count of helpers at work
    std::thread thread;
  };

  /// What a call has borrowed: one helper fewer than workers.
  struct Lease {
    std::vector<Worker*> workers;
    std::vector<Helper*> helpers;
  };

  [[nodiscard]] Lease borrow();
  /// Calls member(0) here and member(i) on helper i - 1; returns when all have, the helpers given back.
  void on_members(const Lease& lease, const std::function<void(int)>& member);
  void give_back(const Lease& lease);
  void helper_loop(Helper& helper);

  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Helper>> helpers_;  // one fewer than workers: each call brings its own thread
  std::mutex mutex_;                              // guards all below and what is no atomic in a Helper
  std::condition_variable worker_free_;
  std::condition_variable helper_done_;
  std::vector<Worker*> free_workers_;
  std::vector<Helper*> free_helpers_;
  bool stopping_ = false;
};

}  // namespace mlxe::cpu
