// Rotates rows by Hadamard matrices, so that int8's steps serve all values of a row.
#pragma once

#include <cstddef>

#include "backend/cpu/generic/quantize.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// int8 has 255 steps for all of a row. Some tokens have a feature or two that are hundreds of times as large as the
// others, some outputs a weight or two, and the others would be lost. Multiplied by a Hadamard matrix H, the values of
// a block are spread over all of it and come near normal ones. As H H is the size of the block times one, H x / size
// and H w have the product that x and w have. MiniLM at int8 with AVX-512, 1 - cosine to float32, largest and mean of
// 4,000 sentences, then of 1,000 passages:
//   0.0064 0.00115   0.0023 0.00096   as they are
//   0.0036 0.00067   0.0020 0.00067   values of more than 32 mean magnitudes multiplied apart
//   0.0014 0.00032   0.0007 0.00035   rotated
//   0.0012 0.00031   0.0006 0.00033   in blocks of 128, which no longer fit into AVX2's registers
// All of it takes 3 to 4 % of MiniLM's time on Zen 5.

/// A vector times the Hadamard matrix of its width.
template <class V, int kDistance = 1>
inline __attribute__((always_inline)) V rotate_lanes(V x) {
  if constexpr (kDistance < V::kWidth) {
    return rotate_lanes<V, 2 * kDistance>(x.template sums_and_differences<kDistance>());
  } else {
    return x;
  }
}

/// kRotated values, those from `count` on zero, times the Hadamard matrix and `factor`.
template <class V>
inline __attribute__((always_inline)) void rotate_block(const float* x, int count, V factor, float* y) {
  constexpr int kVectors = kRotated / V::kWidth;
  V block[kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) {
    const int begin = i * V::kWidth;
    block[i] = (count >= kRotated ? V::load(x + begin)
                : begin < count   ? load_values<V>(x, begin, count)
                                  : V::zero()) *
               factor;
  }
#pragma GCC unroll 4
  for (int distance = 1; distance < kVectors; distance *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) {
      if ((i & distance) == 0) {
        const V first = block[i];
        block[i] = first + block[i + distance];
        block[i + distance] = first - block[i + distance];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) {
    rotate_lanes(block[i]).store(y + i * V::kWidth);
  }
}

/// As MatrixKernels::rotate_row says.
template <class V>
void rotate_row(const float* x, int k, float factor, float* y) {
  int p = 0;
  for (; p + kRotated <= k; p += kRotated) {
    rotate_block(x + p, kRotated, V::set1(factor), y + p);
  }
  if (p < k) {
    rotate_block(x + p, k - p, V::set1(factor), y + p);
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
