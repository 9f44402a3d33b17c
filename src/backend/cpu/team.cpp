// Team: a few threads that share the work inside single operations.
#include "backend/cpu/team.h"

#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mlxe::cpu {
namespace {

// About 50 us of looking before a member sleeps: rounds inside one forward pass follow each other within a few us,
// and a neighbour on the same core is never held up for longer.
constexpr int kSpins = 2'000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

void Team::announce() {
  round_.fetch_add(1);
  if (sleepers_.load() > 0) {
    round_.notify_all();
  }
}

bool Team::take_part(int member) {
  const std::uint64_t seen = ticket_.load(std::memory_order_acquire);
  if (static_cast<std::uint32_t>(seen) >= seen >> 32) {
    return false;
  }
  const std::uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
  const auto part = static_cast<std::uint32_t>(ticket);
  if (part >= ticket >> 32) {
    return false;
  }
  (*part_)(static_cast<int>(part), member);  // stays valid: the round cannot end before this part is done
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void Team::for_each(int count, const Part& part) {
  if (size_ == 1 || count <= 1) {
    for (int i = 0; i < count; ++i) {
      part(i, 0);
    }
    return;
  }
  part_ = &part;
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(static_cast<std::uint64_t>(count) << 32, std::memory_order_release);
  announce();
  while (take_part(0)) {
  }
  for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) {
    if (spins < kSpins) {
      pause();
    } else {
      std::this_thread::yield();  // the member that still works may need this core
    }
  }
}

void Team::help(int member) {
  while (true) {
    const std::uint32_t round = round_.load();
    while (take_part(member)) {
    }
    if (dismissed_.load()) {
      return;
    }
    for (int spins = 0; spins < kSpins && round_.load(std::memory_order_relaxed) == round; ++spins) {
      pause();
    }
    if (round_.load() == round) {
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
