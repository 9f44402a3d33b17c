// What the quantised products int8 and int16 share.
#pragma once

#include <cstdint>

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// A smaller step would be subnormal, with few digits or none of its own and no reciprocal.
constexpr float kSmallestStep = 0x1p-126F;

/// Vector `index` of a row of k values, zeros beyond.
template <class V>
inline __attribute__((always_inline)) V load_values(const float* row, int index, int k) {
  const int left = k - index;
  return left >= V::kWidth ? V::load(row + index) : V::load_partial(row + index, left, V::zero());
}

/// The largest magnitude of x[k]; NaN if one of them is.
template <class V>
inline __attribute__((always_inline)) float largest_magnitude(const float* x, int k) {
  V largest = V::zero();
  for (int p = 0; p < k; p += V::kWidth) {
    largest = V::max_magnitude(largest, load_values<V>(x, p, k));
  }
  return largest.largest_magnitude();
}

}  // namespace
}  // namespace mlxe::cpu::generic
