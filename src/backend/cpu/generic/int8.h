// Packing and quantising for int8 matrix products, written once for every vector type.
#pragma once

#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/quantize.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// What a product P says of its instruction, besides what gemm needs:
//   kSaturates     it sums pairs of products, and the pairs of kWordsAtOnce words, in 16 bits that saturate
//   kSignedRows    it takes signed activations: q - 128 for q in 0 .. 255
// Weights are symmetric, in steps of each output column's own size. Activations run from each row's smallest value to
// its largest, which also serves GELU's outputs, where a symmetric scale would leave half of its steps unused.

/// The largest magnitude of w[k].
inline float largest_of(const float* w, int k) {
  float largest = 0.0F;
  for (int p = 0; p < k; ++p) {
    const float magnitude = __builtin_fabsf(w[p]);
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

/// The largest sum of the positive or of the negative weights of w[k] whose products meet in 16 bits.
template <class P>
float largest_sum(const float* w, int k) {
  constexpr int kBlock = P::kValues * P::kWordsAtOnce;
  float largest = 0.0F;
  for (int begin = 0; begin < k; begin += kBlock) {
    float positive[P::kValues / 2] = {};
    float negative[P::kValues / 2] = {};
    for (int p = begin; p < begin + kBlock && p < k; ++p) {
      (w[p] > 0.0F ? positive : negative)[p % P::kValues / 2] += __builtin_fabsf(w[p]);
    }
    for (int i = 0; i < P::kValues / 2; ++i) {
      largest = positive[i] > largest ? positive[i] : largest;
      largest = negative[i] > largest ? negative[i] : largest;
    }
  }
  return largest;
}

/// Whether a value of w[0 .. k) is NaN or infinite: its exponent is all ones.
inline bool any_not_finite(const float* w, int k) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  bool found = false;
  for (int p = 0; p < k; ++p) {
    found |= (__builtin_bit_cast(std::uint32_t, w[p]) & kExponent) == kExponent;
  }
  return found;
}

/// The step of `count` of them from 0 to `range` >= 0.
inline float step_of(float range, float count) {
  const float step = range > 0.0F ? range / count : 1.0F;
  return step > kSmallestStep ? step : kSmallestStep;
}

/// Values of the words of k.
template <class P>
constexpr int padded_values(int k) {
  constexpr int kBlock = P::kValues * P::kWordsAtOnce;
  return (k + kBlock - 1) / kBlock * kBlock;
}

/// The step of a column of weights. Where sums of 16 bits saturate, weights of one sign must not exceed 128, as 255 of
/// each do fit: so many steps for the largest sum, less what rounding may add.
template <class P>
float step_of_weights(const float* w, int k) {
  if constexpr (P::kSaturates) {
    return step_of(largest_sum<P>(w, k), 128.0F - static_cast<float>(P::kWordsAtOnce));
  }
  return step_of(largest_of(w, k), 127.0F);
}

template <class P, int kPanel>
void pack_panel_int8(const float* w, int count, int k, void* panel, float* column_scale, float* column_sum) {
  auto* out = static_cast<std::int8_t*>(panel);
  const int padded = padded_values<P>(k);
  for (int j = 0; j < kPanel; ++j) {
    const float* row = w + static_cast<std::ptrdiff_t>(j) * k;
    const bool used = j < count;
    // No code stands for NaN or infinity, so such a column's scale is NaN, and with it every output.
    const bool poisoned = used && any_not_finite(row, k);
    const float scale = step_of_weights<P>(row, used && !poisoned ? k : 0);
    std::int32_t sum = 0;
    for (int p = 0; p < padded; ++p) {
      const bool real = used && !poisoned && p < k;
      const auto q = static_cast<std::int8_t>(real ? __builtin_rintf(row[p] / scale) : 0.0F);
      out[(static_cast<std::ptrdiff_t>(p / P::kValues) * kPanel + j) * P::kValues + p % P::kValues] = q;
      sum += q;
    }
    column_scale[j] = poisoned ? __builtin_nanf("") : scale;
    column_sum[j] = static_cast<float>(sum);
  }
}

template <class P>
void prepare_rows_int8(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* row_scale, float* row_offset, float* row_mean) {
  using V = typename P::Vector;
  constexpr std::uint8_t kFlip = P::kSignedRows ? 0x80 : 0;  // q - 128 in two's complement
  static_assert(P::kValues * P::kWordsAtOnce <= V::kWidth, "one tail fills the last words");
  const int padded = padded_values<P>(k);
  for (int r = 0; r < rows; ++r) {
    const float* row = x + r * ldx;
    V smallest = V::zero();  // zero is always inside the range, so a row of one sign keeps its zeros nearly exact
    V largest = V::zero();
    V poison = V::zero();  // becomes NaN if a value is NaN or infinite, which min and max would lose
    V magnitudes = V::zero();
    for (int p = 0; p < k; p += V::kWidth) {
      const V value = load_values<V>(row, p, k);
      smallest = V::min(smallest, value);
      largest = V::max(largest, value);
      poison = V::fma(value, V::zero(), poison);
      magnitudes = magnitudes + V::max(value, V::zero() - value);
    }
    row_mean[r] = magnitudes.sum() / static_cast<float>(k);
    const float offset = -(V::zero() - smallest).largest();
    const float range = largest.largest() - offset;
    const float scale = step_of(range, 255.0F);
    row_scale[r] = scale + poison.sum();
    row_offset[r] = P::kSignedRows ? offset + 128.0F * scale : offset;
    const V inverse = V::set1(1.0F / scale);
    const V shift = V::set1(-offset / scale);
    auto* out = reinterpret_cast<std::uint8_t*>(static_cast<std::int32_t*>(words) + r * ld_words);
    const auto quantize = [&](V value) { return V::max(V::fma(value, inverse, shift), V::zero()); };
    int p = 0;
    for (; p + V::kWidth <= k; p += V::kWidth) {
      quantize(V::load(row + p)).template store_bytes<kFlip>(out + p);
    }
    if (p < padded) {
      std::uint8_t tail[V::kWidth];
      quantize(load_values<V>(row, p, k)).template store_bytes<kFlip>(tail);
      for (int i = 0; p + i < padded; ++i) {
        out[p + i] = tail[i];
      }
    }
  }
}

template <class P, class I, int kVectors>
void multiply_features(const FeatureArgs& args) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const V offset = V::set1(128.0F);  // lest a code be negative, as not all integers here have signs
  for (int panel = 0; panel < args.num_panels; ++panel) {
    const std::uint32_t* b =
        static_cast<const std::uint32_t*>(args.b) + static_cast<std::ptrdiff_t>(panel) * args.k_words * kPanel;
    V sum[kVectors];
    for (V& column : sum) {
      column = V::zero();
    }
    for (int i = 0; i < args.count; ++i) {
      const std::uint32_t* words = b + static_cast<std::ptrdiff_t>(args.features[i] / P::kValues) * kPanel;
      const int shift = 8 * (args.features[i] % P::kValues);
      const V value = V::set1(args.values[i]);
      for (int j = 0; j < kVectors; ++j) {
        const I code = ((I::load(words + j * V::kWidth) >> shift) + I::set1(128)) & I::set1(255);
        sum[j] = V::fma(value, code.to_float() - offset, sum[j]);
      }
    }
    for (int j = 0; j < kVectors; ++j) {
      const int column = panel * kPanel + j * V::kWidth;
      (sum[j] * V::load(args.column_scale + column)).store(args.out + column);
    }
  }
}

/// \tparam I                integers in the lanes of a vector
/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class P, class I, int kRows, int kVectors>
constexpr MatrixKernels int8_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "int8",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .words_at_once = P::kWordsAtOnce,
          .most_features = 0x7FFFFFFF / (255 * 127),  // the largest sum must fit in 32 bits
          .scaled = true,
          .gemm = gemm<P, kRows, kVectors>,
          .pack_panel = pack_panel_int8<P, kPanel>,
          .prepare_rows = prepare_rows_int8<P>,
          .multiply_features = multiply_features<P, I, kVectors>,
          .expand_panel = nullptr};
}

}  // namespace
}  // namespace mlxe::cpu::generic
