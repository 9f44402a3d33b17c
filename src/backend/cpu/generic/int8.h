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

/// Where word `word` of column `column` lies in a panel.
template <class P, int kPanel>
constexpr std::ptrdiff_t place_in_panel(int word, int column) {
  constexpr int kBeside = kWordsSideBySide<P>;
  return (static_cast<std::ptrdiff_t>(word / kBeside) * kPanel + column) * kBeside + word % kBeside;
}

/// One word of each of a vector's columns, from where the first one's lies.
template <class P, class I>
inline __attribute__((always_inline)) I load_columns(const std::uint32_t* words) {
  if constexpr (kWordsSideBySide<P> == 2) {
    return I::load_every_second(words);
  } else {
    return I::load(words);
  }
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

/// The steps of a panel's columns. Where sums of 16 bits saturate, weights of one sign must not exceed 128, as 255 of
/// each do fit: so many steps for the largest sum, less what rounding may add. No code stands for NaN or infinity:
/// columns that have one get a step of NaN, and with it every output.
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
      steps[j] = step_of(sums[j], 128.0F - static_cast<float>(P::kWordsAtOnce));
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
  float mean;    // of magnitudes
  float poison;  // NaN if a value is NaN or infinite, which smallest and largest would lose; else 0
};

template <class V>
RowFacts row_facts(const float* row, int k) {
  constexpr int kChains = 2;  // lest each addition wait for the one before
  V smallest[kChains];
  V largest[kChains];
  V magnitudes[kChains];
  for (int i = 0; i < kChains; ++i) {
    smallest[i] = largest[i] = magnitudes[i] = V::zero();
  }
  const auto see = [&](V value, int i) __attribute__((always_inline)) {
    smallest[i] = V::min(smallest[i], value);
    largest[i] = V::max(largest[i], value);
    magnitudes[i] = magnitudes[i] + value.abs();
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
  const float sum = (magnitudes[0] + magnitudes[1]).sum();
  V poison = V::zero();
  if (!(sum < __builtin_inff())) {  // the sum of large values may be infinite, too
    for (p = 0; p < k; p += V::kWidth) {
      poison = V::fma(load_values<V>(row, p, k), V::zero(), poison);
    }
  }
  return {.smallest = -(V::zero() - V::min(smallest[0], smallest[1])).largest(),
          .largest = V::max(largest[0], largest[1]).largest(),
          .mean = sum / static_cast<float>(k),
          .poison = poison.sum()};
}

template <class P>
void prepare_rows_int8(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* row_scale, float* row_offset, float* row_mean) {
  using V = typename P::Vector;
  constexpr std::uint8_t kFlip = P::kSignedRows ? 0x80 : 0;  // q - 128 in two's complement
  const int padded = padded_values<P>(k);
  for (int r = 0; r < rows; ++r) {
    const float* row = x + r * ldx;
    const RowFacts facts = row_facts<V>(row, k);
    row_mean[r] = facts.mean;
    const float offset = facts.smallest;
    const float scale = step_of(facts.largest - offset, 255.0F);
    row_scale[r] = scale + facts.poison;
    row_offset[r] = P::kSignedRows ? offset + 128.0F * scale : offset;
    const V inverse = V::set1(1.0F / scale);
    const V shift = V::set1(-offset / scale);
    auto* out = reinterpret_cast<std::uint8_t*>(static_cast<std::int32_t*>(words) + r * ld_words);
    const auto quantize = [&](V value) { return V::max(V::fma(value, inverse, shift), V::zero()); };
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
      const int word = args.features[i] / P::kValues;
      const int shift = 8 * (args.features[i] % P::kValues);
      const V value = V::set1(args.values[i]);
      for (int j = 0; j < kVectors; ++j) {
        const std::uint32_t* words = b + place_in_panel<P, kPanel>(word, j * V::kWidth);
        const I code = ((load_columns<P, I>(words) >> shift) + I::set1(128)) & I::set1(255);
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
template <class P, class I, int kRows, int kVectors, auto kGemm = gemm<P, kRows, kVectors>>
constexpr MatrixKernels int8_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "int8",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .words_at_once = P::kWordsAtOnce,
          .most_features = 0x7FFFFFFF / (255 * 127),  // the largest sum must fit in 32 bits
          .scaled = true,
          .gemm = kGemm,
          .pack_panel = pack_panel_int8<P, kPanel>,
          .prepare_rows = prepare_rows_int8<P>,
          .multiply_features = multiply_features<P, I, kVectors>,
          .expand_panel = nullptr};
}

}  // namespace
}  // namespace mlxe::cpu::generic
