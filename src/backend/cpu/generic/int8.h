// Packing and quantising for int8 matrix products, written once for every vector type.
#pragma once

#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/quantize.h"
#include "backend/cpu/generic/rotation.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// What a product P says of its instruction, besides what gemm needs:
//   kSaturates     it sums pairs of products, and the pairs of kWordsAtOnce words, in 16 bits that saturate
//   kSignedRows    it takes signed activations: q - 128 for q in 0 .. kRowSteps
// Weights are symmetric, in steps of each output column's own size; activations run from each row's smallest value to
// its largest. Both are rotated before (rotation.h).

/// Steps from a row's smallest value to its largest. Where sums of 16 bits saturate, each one less leaves more to the
/// weights, whose rounding is the same for all tokens of a text, while that of activations averages out. MiniLM on
/// 4,000 sentences and 1,000 passages, mean cosine to float32:
///   255  0.99918  0.99900
///   190  0.99941  0.99934
///   170  0.99943  0.99943
///   160  0.99944  0.99945
///   127  0.99937  0.99944
template <class P>
constexpr float kRowSteps = P::kSaturates ? 170.0F : 255.0F;

/// Where word `word` of column `column` lies in a panel.
template <class P, int kPanel>
constexpr std::ptrdiff_t place_in_panel(int word, int column) {
  constexpr int kBeside = kWordsSideBySide<P>;
  return (static_cast<std::ptrdiff_t>(word / kBeside) * kPanel + column) * kBeside + word % kBeside;
}

/// Of kWidth rows of w[k], `count` of which there are: the largest sums of positive or of negative weights whose
/// products meet in 16 bits.
template <class P>
typename P::Vector largest_sums(const float* w, int count, int k) {
  using V = typename P::Vector;
  constexpr int kBlock = P::kValues * P::kWordsAtOnce;
  static_assert(V::kWidth % kBlock == 0);
  V largest = V::zero();
  for (int p = 0; p < k; p += V::kWidth) {
    V weights[V::kWidth];
    for (int r = 0; r < V::kWidth; ++r) {
      weights[r] = r < count ? load_values<V>(w + static_cast<std::ptrdiff_t>(r) * k, p, k) : V::zero();
    }
    V::transpose(weights);  // weights[i]: feature p + i of all rows
    for (int begin = 0; begin < V::kWidth; begin += kBlock) {
      for (int pair = 0; pair < P::kValues; pair += 2) {
        V positive = V::zero();
        V negative = V::zero();
        for (int word = 0; word < kBlock; word += P::kValues) {
          for (int i = 0; i < 2; ++i) {
            const V weight = weights[begin + word + pair + i];
            positive = positive + V::max(weight, V::zero());
            negative = negative - V::min(weight, V::zero());
          }
        }
        largest = V::max(largest, V::max(positive, negative));
      }
    }
  }
  return largest;
}

/// The step of `count` of them from 0 to `range` >= 0.
inline float step_of(float range, float count) {
  const float step = range > 0.0F ? range / count : 1.0F;
  return step > kSmallestStep ? step : kSmallestStep;
}

/// The steps of a panel's columns: 127 for the largest weight. Where sums of 16 bits saturate, the largest sum of
/// weights must not exceed what kRowSteps of each leave room for, less what rounding may add. No code stands for NaN or
/// infinity: columns that have one get a step of NaN, and with it every output.
template <class P, int kPanel>
void find_steps(const float* w, int count, int k, float* steps) {
  using V = typename P::Vector;
  float sums[kPanel];
  if constexpr (P::kSaturates) {
    for (int j = 0; j < kPanel; j += V::kWidth) {
      largest_sums<P>(w + static_cast<std::ptrdiff_t>(j) * k, count - j, k).store(sums + j);
    }
  }
  for (int j = 0; j < kPanel; ++j) {
    const float largest = j < count ? largest_magnitude<V>(w + static_cast<std::ptrdiff_t>(j) * k, k) : 0.0F;
    if (!(largest < __builtin_inff())) {
      steps[j] = __builtin_nanf("");
    } else if constexpr (P::kSaturates) {
      const float by_sums = step_of(sums[j], 32767.0F / kRowSteps<P> - static_cast<float>(P::kWordsAtOnce));
      const float by_largest = step_of(largest, 127.0F);
      steps[j] = by_sums > by_largest ? by_sums : by_largest;
    } else {
      steps[j] = step_of(largest, 127.0F);
    }
  }
}

template <class P, int kPanel>
void pack_panel_int8(const float* w, int count, int k, void* panel, float* column_scale, float* column_sum) {
  using V = typename P::Vector;
  constexpr int kWords = V::kWidth / P::kValues;  // of a vector
  auto* out = static_cast<std::int32_t*>(panel);
  find_steps<P, kPanel>(w, count, k, column_scale);
  const int words = padded_values<P>(k) / P::kValues;
  for (int j = 0; j < kPanel; ++j) {
    const float* row = w + static_cast<std::ptrdiff_t>(j) * k;
    const int used = j < count && column_scale[j] > 0.0F ? k : 0;  // not if the step is NaN
    const V step = V::set1(column_scale[j]);
    V sum = V::zero();  // of whole numbers, exact
    for (int word = 0; word < words; word += kWords) {
      const int p = word * P::kValues;
      const V code = p < used ? V::round(load_values<V>(row, p, used) / step) : V::zero();
      sum = sum + code;
      std::int32_t codes[kWords];
      (code + V::set1(128.0F)).template store_bytes<0x80>(reinterpret_cast<std::uint8_t*>(codes));
      for (int i = 0; i < kWords && word + i < words; ++i) {
        out[place_in_panel<P, kPanel>(word + i, j)] = codes[i];
      }
    }
    column_sum[j] = sum.sum();
  }
}

/// What there is to know of a row before it goes to steps.
struct RowFacts {
  float smallest;  // zero is always inside the range, so a row of one sign keeps its zeros nearly exact
  float largest;
  float poison;  // NaN if a value is NaN or infinite, which smallest and largest would lose; else 0
};

template <class V>
RowFacts row_facts(const float* row, int k) {
  constexpr int kChains = 2;  // lest each addition wait for the one before
  V smallest[kChains];
  V largest[kChains];
  V poison[kChains];
  for (int i = 0; i < kChains; ++i) {
    smallest[i] = largest[i] = poison[i] = V::zero();
  }
  const auto see = [&](V value, int i) __attribute__((always_inline)) {
    smallest[i] = V::min(smallest[i], value);
    largest[i] = V::max(largest[i], value);
    poison[i] = V::fma(value, V::zero(), poison[i]);
  };
  int p = 0;
  for (; p + kChains * V::kWidth <= k; p += kChains * V::kWidth) {
#pragma GCC unroll 4
    for (int i = 0; i < kChains; ++i) {
      see(V::load(row + p + i * V::kWidth), i);
    }
  }
  for (; p < k; p += V::kWidth) {
    see(load_values<V>(row, p, k), 0);
  }
  return {.smallest = -(V::zero() - V::min(smallest[0], smallest[1])).largest(),
          .largest = V::max(largest[0], largest[1]).largest(),
          .poison = (poison[0] + poison[1]).sum()};
}

template <class P>
void prepare_rows_int8(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* row_scale, float* row_offset) {
  using V = typename P::Vector;
  constexpr std::uint8_t kFlip = P::kSignedRows ? 0x80 : 0;  // q - 128 in two's complement
  const int padded = padded_values<P>(k);
  for (int r = 0; r < rows; ++r) {
    const float* row = x + r * ldx;
    const RowFacts facts = row_facts<V>(row, k);
    const float offset = facts.smallest;
    const float scale = step_of(facts.largest - offset, kRowSteps<P>);
    row_scale[r] = scale + facts.poison;
    row_offset[r] = P::kSignedRows ? offset + 128.0F * scale : offset;
    const V inverse = V::set1(1.0F / scale);
    const V shift = V::set1(-offset / scale);
    auto* out = reinterpret_cast<std::uint8_t*>(static_cast<std::int32_t*>(words) + r * ld_words);
    const auto quantize = [&](V value) { return V::fma(value, inverse, shift); };  // -0.5 < and < 255.5
    int p = 0;
    for (; p + V::kWidth <= k; p += V::kWidth) {
      quantize(V::load(row + p)).template store_bytes<kFlip>(out + p);
    }
    for (; p < padded; p += V::kWidth) {
      std::uint8_t tail[V::kWidth];
      quantize(p < k ? load_values<V>(row, p, k) : V::zero()).template store_bytes<kFlip>(tail);
      for (int i = 0; i < V::kWidth && p + i < padded; ++i) {
        out[p + i] = tail[i];
      }
    }
  }
}

/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class P, int kRows, int kVectors, auto kGemm = gemm<P, kRows, kVectors>>
constexpr MatrixKernels int8_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "int8",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .words_at_once = P::kWordsAtOnce,
          .most_features = 0x7FFFFFFF / (255 * 127) / kRotated * kRotated,  // the largest sum must fit in 32 bits
          .scaled = true,
          .gemm = kGemm,
          .pack_panel = pack_panel_int8<P, kPanel>,
          .prepare_rows = prepare_rows_int8<P>,
          .rotate_row = rotate_row<typename P::Vector>,
          .expand_panel = nullptr};
}

}  // namespace
}  // namespace mlxe::cpu::generic
