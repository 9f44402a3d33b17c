// Team: a few threads that share the work inside single operations.
#include "backend/cpu/team.h"

#include <thread>

#include "backend/cpu/wait_awake.h"

namespace mlxe::cpu {

void Team::announce() {
  round_.fetch_add(1);
  if (sleepers_.load() > 0) {
    round_.notify_all();
  }
}

int Team::take_parts(int member) {
  int taken = 0;
  while (true) {
    const std::uint64_t seen = ticket_.load(std::memory_order_acquire);
    if (static_cast<std::uint32_t>(seen) >= seen >> 32) {
      return taken;
    }
    const std::uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
    const auto part = static_cast<std::uint32_t>(ticket);
    if (part >= ticket >> 32) {
      return taken;
    }
    (*part_)(static_cast<int>(part), member);  // stays valid: the round cannot end before this part counts as done
    ++taken;
  }
}

void Team::for_each(int count, const Part& part) {
  if (size_ == 1 || count <= 1) {
    for (int i = 0; i < count; ++i) {
      part(i, 0);
    }
    return;
  }
  part_ = &part;
  done_by_others_.store(0, std::memory_order_relaxed);
  ticket_.store(static_cast<std::uint64_t>(count) << 32 | 1U, std::memory_order_release);  // part 0 is taken
  announce();
  part(0, 0);
  const int left = count - 1 - take_parts(0);
  const auto all_done = [&] { return done_by_others_.load(std::memory_order_acquire) >= left; };
  if (!wait_awake(all_done)) {
    while (!all_done()) {
      std::this_thread::yield();  // the member that still works may need this core
    }
  }
}

void Team::help(int member) {
  while (true) {
    const std::uint32_t round = round_.load();
    if (const int taken = take_parts(member); taken > 0) {
      done_by_others_.fetch_add(taken, std::memory_order_release);
    }
    if (dismissed_.load()) {
      return;
    }
    if (!wait_awake([&] { return round_.load(std::memory_order_relaxed) != round; }) && round_.load() == round) {
      sleepers_.fetch_add(1);
      round_.wait(round);
      sleepers_.fetch_sub(1);
    }
  }
}

void Team::dismiss() {
  dismissed_.store(true);
  announce();
}

}  // namespace mlxe::cpu
