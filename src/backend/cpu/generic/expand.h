// Quantised panels to panels of a product's words: a lane for each column, so a code is one shift and one mask away.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

template <class I, int kBits, bool kFloating>
struct Codes {
  static_assert(!kFloating || kBits == 4 || kBits == 8);
  using Float = typename I::Float;

  /// What the lowest kBits bits of each lane stand for; those above are ignored.
  static inline __attribute__((always_inline)) Float value(I code) {
    if constexpr (!kFloating && kBits == 4 && I::kLooksUpAtOnce) {
      static constexpr float kWhole[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
      return code.lookup16(kWhole);
    } else if constexpr (!kFloating) {
      return (code & I::set1((1 << kBits) - 1)).to_float();
    } else if constexpr (kBits == 4) {  // E2M1
      static constexpr float kE2m1[16] = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                          -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
      return code.lookup16(kE2m1);
    } else {  // E4M3: exponent and mantissa in their float32 places, then the bias made good; all ones is NaN
      const I magnitude = code & I::set1(0x7F);
      const Float scaled = (magnitude << 20).as_float() * Float::set1(0x1p120F);
      const I nan = I::equal(magnitude, I::set1(0x7F));
      return (I::bits_of(scaled) | nan | ((code & I::set1(0x80)) << 24)).as_float();
    }
  }
};

/// Code `index` of a stream in the lanes of `words`, with other bits above it.
template <class I, int kBits>
inline __attribute__((always_inline)) I code_at(const std::uint32_t* words, int stride, int index) {
  const int bit = index * kBits;
  const int shift = bit % 32;
  const std::uint32_t* word = words + bit / 32 * stride;
  I code = I::load(word);
  if (shift > 0) {
    code = code >> shift;
  }
  return shift + kBits > 32 ? code | (I::load(word + stride) << (32 - shift)) : code;
}

/// What is added to code * scale.
enum class Added {
  kNothing,
  kBias,              ///< rounded twice, as libmlx does
  kBiasToExactValue,  ///< likewise, but the first time leaves the product as it is: one instruction
};

/// \tparam P  the product whose words come out: P::store_words(values, p) writes those of kValues following values
template <class P, class I, int kBits, bool kFloating, Added kAdded>
void expand_columns(const ExpandArgs& args) {
  using Float = typename I::Float;
  constexpr int kUnit = kFloating && kBits == 4 ? 16 : 32;  // values in whole words, none in two groups
  constexpr int kValues = P::kValues;
  const int width = args.panel_width;
  const std::uint32_t* words = args.words;
  auto* out = static_cast<std::int32_t*>(args.out);
  for (int begin = 0; begin < args.k; begin += kUnit) {
    const std::ptrdiff_t group = static_cast<std::ptrdiff_t>(begin / args.group_size) * width;
    for (int column = 0; column < width; column += Float::kWidth) {
      const Float scale = Float::load(args.scales + group + column);
      const Float bias = kAdded != Added::kNothing ? Float::load(args.biases + group + column) : Float::zero();
      const Float inverse_step = P::kScaled ? Float::load(args.inverse_steps + column) : Float::zero();
#pragma GCC unroll 32
      for (int i = 0; i < kUnit; i += kValues) {
        Float values[kValues];
#pragma GCC unroll 2
        for (int j = 0; j < kValues; ++j) {
          const Float code = Codes<I, kBits, kFloating>::value(code_at<I, kBits>(words + column, width, i + j));
          if constexpr (kAdded == Added::kBiasToExactValue) {
            values[j] = Float::fma(code, scale, bias);
          } else {
            values[j] = kAdded == Added::kNothing ? code * scale : code * scale + bias;
          }
          if constexpr (P::kScaled) {
            values[j] = values[j] * inverse_step;
          }
        }
        P::store_words(values, out + static_cast<std::ptrdiff_t>(i / kValues) * width + column);
      }
    }
    words += static_cast<std::ptrdiff_t>(kUnit * kBits / 32) * width;
    out += static_cast<std::ptrdiff_t>(kUnit / kValues) * width;
  }
  const int padding = (padded_values<P>(args.k) - args.k) / kValues * width;
  for (int i = 0; i < padding; ++i) {
    out[i] = 0;
  }
}

template <class P, class I, Added kAdded>
void expand_affine(const ExpandArgs& args) {
  switch (args.bits) {
    case 1: return expand_columns<P, I, 1, false, kAdded>(args);
    case 2: return expand_columns<P, I, 2, false, kAdded>(args);
    case 3: return expand_columns<P, I, 3, false, kAdded>(args);
    case 4: return expand_columns<P, I, 4, false, kAdded>(args);
    case 5: return expand_columns<P, I, 5, false, kAdded>(args);
    case 6: return expand_columns<P, I, 6, false, kAdded>(args);
    default: return expand_columns<P, I, 8, false, kAdded>(args);
  }
}

template <class P, class I>
void expand_panel(const ExpandArgs& args) {
  if (args.biases == nullptr) {
    return args.bits == 4 ? expand_columns<P, I, 4, true, Added::kNothing>(args)
                          : expand_columns<P, I, 8, true, Added::kNothing>(args);
  }
  return args.has_exact_products ? expand_affine<P, I, Added::kBiasToExactValue>(args)
                                 : expand_affine<P, I, Added::kBias>(args);
}

}  // namespace
}  // namespace mlxe::cpu::generic
