// A short wait for another thread: what ends within microseconds is not worth a sleep and a call to wake up.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mlxe::cpu {

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

/// Looks until done(), for 50 to 100 us: operations of a forward pass, and queries that come one after the other, are
/// nearer to each other, and a neighbour on the same core is never held up for longer.
/// \returns whether it was done
template <class Done>
bool wait_awake(const Done& done) {
  constexpr int kLooks = 2'000;
  for (int look = 0; look < kLooks; ++look) {
    if (done()) {
      return true;
    }
    pause();
  }
  return done();
}

}  // namespace mlxe::cpu
