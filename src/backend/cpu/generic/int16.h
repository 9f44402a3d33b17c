// Packing and quantising for int16 matrix products, written once for every vector type.
#pragma once

#include "backend/cpu/generic/expand.h"
#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/halves.h"
#include "backend/cpu/generic/quantize.h"
#include "backend/cpu/generic/sums.h"
#include "backend/cpu/int16_steps.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// The smallest magnitude that steps are for.
constexpr float kLeast = kLargestInt16 * kSmallestStep;

/// The step of a row of k values; NaN or infinite if one of them is.
template <class V>
float step_int16(const float* row, int k) {
  const float found = largest_magnitude<V>(row, k);
  const float magnitude = found < kLeast ? kLeast : found;
  const V inverse = V::set1(1.0F / magnitude);  // lest squares leave float's range
  const float squares = sum_over<V>(row, k, V::zero(), [inverse](V value) {
    const V share = value * inverse;
    return share * share;
  });
  const float by_length = __builtin_sqrtf(squares) / kLongestInt16;
  return magnitude * (by_length < 1.0F / kLargestInt16 ? 1.0F / kLargestInt16 : by_length);
}

/// A step that serves all rows of k values up to 1 in magnitude.
inline float step_of_ones(int k) {
  const float by_length = __builtin_sqrtf(static_cast<float>(k)) / kLongestInt16;
  return by_length < 1.0F / kLargestInt16 ? 1.0F / kLargestInt16 : by_length;
}

/// x[count] in steps to words, the last one filled up with zero.
template <class V>
void store_steps(const float* x, int count, float step, void* words) {
  const V inverse = V::set1(1.0F / step);
  store_halves<V>(x, count, words, [&](V v, void* p) { (v * inverse).store_shorts(p); });
}

/// A row to words. \returns its step
template <class V>
float convert_int16(const float* x, int count, void* words) {
  const float step = step_int16<V>(x, count);
  store_steps<V>(x, count, step, words);
  return step;
}

/// Likewise by its largest value alone: three times as coarse for normal values, and soon done.
template <class V>
float convert_int16_by_largest(const float* x, int count, void* words) {
  const float found = largest_magnitude<V>(x, count);
  const float step = (found < kLeast ? kLeast : found) * step_of_ones(count);
  store_steps<V>(x, count, step, words);
  return step;
}

template <class P>
void prepare_rows_int16(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                        float* row_scale, float* /*row_offset*/) {
  for (int r = 0; r < rows; ++r) {
    row_scale[r] = convert_int16<typename P::Vector>(x + r * ldx, k, static_cast<std::int32_t*>(words) + r * ld_words);
  }
}

template <class P, int kPanel>
void pack_panel_int16(const float* w, int count, int k, void* panel, float* column_scale, float* /*column_sum*/) {
  using V = typename P::Vector;
  for (int j = 0; j < kPanel; ++j) {
    column_scale[j] = j < count ? step_int16<V>(w + static_cast<std::ptrdiff_t>(j) * k, k) : 0.0F;
  }
  pack_halves<kPanel>(w, count, k, padded_values<P>(k), panel,
                      [&](int row, const float* x, int values, std::int32_t* words) {
                        store_steps<V>(x, values, column_scale[row], words);
                      });
}

/// What attention asks of a product for its scores, on top of P: steps by largest values.
template <class P>
struct Int16Scores : P {
  using V = typename P::Vector;
  /// A row to words. \returns its step
  static float convert(const float* x, int count, void* words) { return convert_int16_by_largest<V>(x, count, words); }
  /// In each lane that of k values whose largest magnitude is given.
  static V steps(V largest, int k) { return V::max(V::set1(kLeast), largest) * V::set1(step_of_ones(k)); }
};

/// \tparam I                integers in the lanes of a vector
/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class P, class I, int kRows, int kVectors>
constexpr MatrixKernels int16_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "int16",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .most_features = kMostInt16Features,
          .scaled = true,
          .gemm = gemm<P, kRows, kVectors>,
          .pack_panel = pack_panel_int16<P, kPanel>,
          .prepare_rows = prepare_rows_int16<P>,
          .expand_panel = expand_panel<P, I>};
}

}  // namespace
}  // namespace mlxe::cpu::generic
