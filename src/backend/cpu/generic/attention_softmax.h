// The online softmax of a tile of attention's scores; its statistics are float32 and go from one block of keys to the
// next.
#pragma once

#include "backend/cpu/generic/attention_biases.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

constexpr float kMinusInfinity = -__builtin_inff();  // the largest score of a query that has seen nothing
constexpr float kLog2E = 1.44269504F;

/// 2^x for x <= 0, and 2^-126 below that. NaN stays NaN, and 2^0 is 1.
/// 2^x = 2^n 2^r with |r| <= 0.5; polynomials fitted for least relative error.
/// \tparam kFine  relative error below 2e-7, else 1.1e-4: a thirtieth of what rounding to bf16 may add
template <class V, bool kFine = true>
inline __attribute__((always_inline)) V exp2_of_negative(V x) {
  const V clamped = V::max(V::set1(-126.0F), x);
  const V n = V::round(clamped);
  const V r = clamped - n;
  V p;
  if constexpr (kFine) {
    p = V::set1(1.326472731307149e-3F);
    p = V::fma(p, r, V::set1(9.671512991189957e-3F));
    p = V::fma(p, r, V::set1(5.550733581185341e-2F));
    p = V::fma(p, r, V::set1(0.24022242426872253F));
    p = V::fma(p, r, V::set1(0.6931470036506653F));
  } else {
    p = V::set1(5.500892922282219e-2F);
    p = V::fma(p, r, V::set1(0.24221095442771912F));
    p = V::fma(p, r, V::set1(0.6932829022407532F));
  }
  return V::scale_by_power(V::fma(p, r, V::set1(1.0F)), n);
}

template <class V>
struct Larger {
  static V of(V a, V b) { return V::max(a, b); }
};
template <class V>
struct Sum {
  static V of(V a, V b) { return a + b; }
};

/// m[0] takes all m[0 .. kCount): halves of two that lie side by side are combined, until one is left.
template <class V, template <class> class Combine, int kCount>
inline __attribute__((always_inline)) void fold(V (&m)[V::kWidth]) {
  if constexpr (kCount > 1) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount / 2; ++i) {
      V low;
      V high;
      V::template zip<V::kWidth / kCount>(m[2 * i], m[2 * i + 1], low, high);
      m[i] = Combine<V>::of(low, high);
    }
    fold<V, Combine, kCount / 2>(m);
  }
}

/// The lanes of each of V::kWidth rows combined; the result of row r is in lane r.
template <class V, template <class> class Combine>
inline __attribute__((always_inline)) V combine_lanes(const float (*rows)[V::kWidth]) {
  V m[V::kWidth];
#pragma GCC unroll 16
  for (int r = 0; r < V::kWidth; ++r) {
    m[r] = V::load(rows[r]);
  }
  fold<V, Combine, V::kWidth>(m);
  return m[0];
}

/// The largest scores of a row's keys, one in each lane.
template <class V>
V largest_scores(float* scores, KeyRange keys) {
  V best = V::set1(kMinusInfinity);
  int s = keys.begin / V::kWidth * V::kWidth;
  for (int key = s; key < keys.begin; ++key) {
    scores[key] = kMinusInfinity;
  }
  for (; s + V::kWidth <= keys.end; s += V::kWidth) {
    best = V::max(best, V::load(scores + s));
  }
  return s < keys.end ? V::max(best, V::load_partial(scores + s, keys.end - s, best)) : best;
}

/// A row's scores to words of 2^(factor (score - largest)), in place; keys of the tile that are not seen become zeros.
/// \returns the sums, one in each lane: NaN if a score is
template <class P>
typename P::Vector exponentiate(float* scores, KeyRange keys, KeyRange tile, float factor, float largest) {
  using V = typename P::Vector;
  constexpr int kWidth = V::kWidth;
  constexpr int kAtOnce = P::kValues;  // vectors that make one of words
  constexpr int kStep = kAtOnce * kWidth;
  constexpr bool kFine = kAtOnce == 1;
  float* words = scores + tile.begin;  // never before the scores that are still to be read
  V sum = V::zero();
  const auto put = [&](int begin, int end, const auto& keep_seen) __attribute__((always_inline)) {
    for (int key = begin; key < end; key += kStep) {
      V weights[kAtOnce];
#pragma GCC unroll 2
      for (int i = 0; i < kAtOnce; ++i) {
        const int first = key + i * kWidth;
        const V logarithm = (V::load(scores + first) - V::set1(largest)) * V::set1(factor);
        weights[i] = keep_seen(exp2_of_negative<V, kFine>(logarithm), first);
        sum = sum + weights[i];
      }
      P::store_row(weights, words);
      words += kWidth;
    }
  };
  // Of a key that is not seen the weight may be anything before it is put to zero.
  const auto keep_some = [&](V weight, int first) __attribute__((always_inline)) {
    return weight.between(keys.begin - first, keys.end - first);
  };
  const auto keep_all = [](V weight, int /*first*/) __attribute__((always_inline)) { return weight; };
  const int whole_begin = smaller(tile.begin + round_up(keys.begin - tile.begin, kStep), tile.end);
  const int whole_end = larger(tile.begin + (keys.end - tile.begin) / kStep * kStep, whole_begin);
  put(tile.begin, whole_begin, keep_some);
  put(whole_begin, whole_end, keep_all);
  put(whole_end, tile.end, keep_some);
  return sum;
}

/// Scores of `rows` queries with the keys of a tile to words of exponentials, in place.
/// \param scores  [rows, whole vectors], row stride ld, of the block's first key on; tile.begin is a multiple of kWidth
/// \param keys    [rows] the keys of the tile that each query sees; empty ranges lie inside the tile too
/// \param scale   turns scores into logarithms of weights
/// \param largest, total  [rows] largest score and sum of exponentials so far, brought up to date
/// \param keep    [rows] written: the factors for what was summed before
template <class P, int kRows>
void soften_tile(float* scores, std::ptrdiff_t ld, int rows, const KeyRange* keys, KeyRange tile, float scale,
                 float* largest, float* total, float* keep) {
  using V = typename P::Vector;
  constexpr int kWidth = V::kWidth;
  constexpr int kLanes = (kRows + kWidth - 1) / kWidth * kWidth;
  alignas(64) float partial[kLanes][kWidth];  // of each row, one in each lane
  for (int r = 0; r < rows; ++r) {
    largest_scores<V>(scores + r * ld, keys[r]).store(partial[r]);
  }
  for (int r = kRows; r < kLanes; ++r) {
    V::zero().store(partial[r]);  // those of [rows, kRows) may hold anything: their lanes are never stored
  }
  const float factor = scale * kLog2E;
  const V factors = V::set1(factor);
  const V lowest = V::set1(-0x1.fffffep127F);  // finite: a query that has seen nothing keeps its nothing
  for (int r = 0; r < rows; r += kWidth) {
    const int count = smaller(rows - r, kWidth);
    const V before = V::load_partial(largest + r, count, V::zero());
    const V now = V::max(before, combine_lanes<V, Larger>(partial + r));
    now.store_partial(largest + r, count);
    exp2_of_negative((V::max(lowest, before) - V::max(lowest, now)) * factors).store_partial(keep + r, count);
  }
  for (int r = 0; r < rows; ++r) {
    exponentiate<P>(scores + r * ld, keys[r], tile, factor, largest[r]).store(partial[r]);
  }
  for (int r = 0; r < rows; r += kWidth) {
    const int count = smaller(rows - r, kWidth);
    const V before = V::load_partial(total + r, count, V::zero());
    const V kept = before * V::load_partial(keep + r, count, V::zero());
    (kept + combine_lanes<V, Sum>(partial + r)).store_partial(total + r, count);
  }
}

/// x[0 .. count) *= factor
template <class V>
void scale_row(float* x, int count, float factor) {
  const V factors = V::set1(factor);
  int i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    (V::load(x + i) * factors).store(x + i);
  }
  if (i < count) {
    (V::load_partial(x + i, count - i, V::zero()) * factors).store_partial(x + i, count - i);
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
