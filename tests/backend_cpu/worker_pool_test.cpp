// Tests of the worker pool: every task once, teams for few tasks, first error out, calls side by side.
#include "backend/cpu/worker_pool.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace mlxe::cpu {
namespace {

TEST(WorkerPool, RunsEveryTaskOnce) {
  WorkerPool pool(3);
  std::vector<std::atomic<int>> calls(100);
  pool.run(100, [&](Team& team, Worker&, std::size_t task) {
    EXPECT_EQ(team.size(), 1);
    calls[task].fetch_add(1);
  });
  for (const auto& count : calls) {
    EXPECT_EQ(count.load(), 1);
  }
}

TEST(WorkerPool, NoTasksIsNoWork) {
  WorkerPool pool(2);
  pool.run(0, [](Team&, Worker&, std::size_t) { FAIL(); });
}

TEST(WorkerPool, FewTasksGetTheWholeTeam) {
  WorkerPool pool(4);
  std::atomic<int> tasks{0};
  pool.run(3, [&](Team& team, Worker&, std::size_t) {
    EXPECT_EQ(team.size(), 4);
    tasks.fetch_add(1);
  });
  EXPECT_EQ(tasks.load(), 3);
}

TEST(WorkerPool, HelpersAreThereSoonAfterACallAndLongAfterIt) {
  WorkerPool pool(2);
  const auto meet = [&pool] {
    pool.run(1, [](Team& team, Worker&, std::size_t) {
      // Two parts that wait for each other end only if the helper takes one.
      std::atomic<int> arrived{0};
      team.for_each(2, [&](int /*part*/, int /*member*/) {
        arrived.fetch_add(1);
        while (arrived.load() < 2) {
          std::this_thread::yield();
        }
      });
      EXPECT_EQ(arrived.load(), 2);
    });
  };
  for (int call = 0; call < 1'000; ++call) {
    meet();
  }
  for (int call = 0; call < 3; ++call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // asleep by now
    meet();
  }
}

TEST(WorkerPool, AWorkerServesOneTaskAtATime) {
  WorkerPool pool(2);
  std::vector<std::thread> callers;
  std::atomic<int> tasks{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        pool.run(static_cast<std::size_t>(round % 5), [&](Team&, Worker& worker, std::size_t) {
          // Two tasks on one arena at once would hand the same block out twice, or trip the thread sanitizer.
          float* block = worker.arena.allocate(64);
          block[0] = static_cast<float>(round);
          EXPECT_EQ(block[0], static_cast<float>(round));
          worker.arena.release(block, 64);
          tasks.fetch_add(1);
        });
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(tasks.load(), 4 * 200 / 5 * (0 + 1 + 2 + 3 + 4));
}

TEST(WorkerPool, FirstErrorIsRethrownAndThePoolGoesOn) {
  WorkerPool pool(2);
  for (const std::size_t num_tasks : {std::size_t{1}, std::size_t{50}}) {
    EXPECT_THROW(pool.run(num_tasks,
                          [](Team&, Worker&, std::size_t task) {
                            if (task == 0) {
                              throw std::runtime_error("task 0");
                            }
                          }),
                 std::runtime_error);
  }
  std::atomic<int> tasks{0};
  pool.run(10, [&](Team&, Worker&, std::size_t) { tasks.fetch_add(1); });
  EXPECT_EQ(tasks.load(), 10);
}

}  // namespace
}  // namespace mlxe::cpu
