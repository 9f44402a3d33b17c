// Tests of teams: every part once, whoever takes it, also when members wake late or sleep.
#include "backend/cpu/team.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace mlxe::cpu {
namespace {

/// A team of `size` with its helping threads.
class RunningTeam {
 public:
  explicit RunningTeam(int size) : team(size) {
    for (int member = 1; member < size; ++member) {
      threads_.emplace_back([this, member] { team.help(member); });
    }
  }
  ~RunningTeam() {
    team.dismiss();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  Team team;

 private:
  std::vector<std::thread> threads_;
};

TEST(Team, OneMemberCallsEveryPartInOrder) {
  Team team(1);
  std::vector<int> seen;
  team.for_each(4, [&](int part, int member) {
    EXPECT_EQ(member, 0);
    seen.push_back(part);
  });
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3}));
}

TEST(Team, EveryPartOnceOverManyRounds) {
  RunningTeam running(3);
  for (int round = 0; round < 20'000; ++round) {
    const int count = round % 7;
    std::vector<std::atomic<int>> calls(7);
    running.team.for_each(count, [&](int part, int member) {
      EXPECT_LT(member, 3);
      calls[static_cast<std::size_t>(part)].fetch_add(1);
    });
    for (int part = 0; part < 7; ++part) {
      ASSERT_EQ(calls[static_cast<std::size_t>(part)].load(), part < count ? 1 : 0) << "round " << round;
    }
  }
}

TEST(Team, WakesMembersThatFellAsleep) {
  RunningTeam running(2);
  // A round of two parts that each wait for the other ends only if the second member takes one, awake or asleep.
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> arrived{0};
    running.team.for_each(2, [&](int /*part*/, int /*member*/) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) {
        std::this_thread::yield();
      }
    });
    EXPECT_EQ(arrived.load(), 2);
    const auto asleep = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < asleep) {
      std::this_thread::yield();
    }
  }
}

TEST(Team, DismissedBeforeAnyRoundEnds) {
  const RunningTeam running(4);
}

}  // namespace
}  // namespace mlxe::cpu
