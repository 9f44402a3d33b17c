// Layer norm and RMS norm of rows, written once for every vector type.
#pragma once

#include "backend/cpu/generic/sums.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// Two passes, as torch's: the variance of values with a large mean keeps its digits.
template <class V>
void layer_norm(const LayerNormArgs& args) {
  const float per_size = 1.0F / static_cast<float>(args.size);
  for (int r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.ldx;
    float* y = args.y + r * args.ldy;
    const float mean = sum_over<V>(x, args.size, V::zero(), [](V value) { return value; }) * per_size;
    const V means = V::set1(mean);
    const float squares = sum_over<V>(x, args.size, means, [means](V value) {
      const V centred = value - means;
      return centred * centred;
    });
    const V inverse = V::set1(1.0F / __builtin_sqrtf(squares * per_size + args.eps));
    for (int i = 0; i < args.size; i += V::kWidth) {
      const int count = args.size - i < V::kWidth ? args.size - i : V::kWidth;
      const bool whole = count == V::kWidth;
      const V value = whole ? V::load(x + i) : V::load_partial(x + i, count, V::zero());
      const V scale = whole ? V::load(args.scale + i) : V::load_partial(args.scale + i, count, V::zero());
      V shift = V::zero();
      if (args.shift != nullptr) {
        shift = whole ? V::load(args.shift + i) : V::load_partial(args.shift + i, count, V::zero());
      }
      const V out = V::fma((value - means) * inverse, scale, shift);
      if (whole) {
        out.store(y + i);
      } else {
        out.store_partial(y + i, count);
      }
    }
  }
}

/// Each group of `size` values alone: a row, or a head of it.
template <class V>
void rms_norm(const RmsNormArgs& args) {
  const float per_size = 1.0F / static_cast<float>(args.size);
  for (int r = 0; r < args.rows; ++r) {
    for (int g = 0; g < args.groups; ++g) {
      const float* x = args.x + r * args.ldx + static_cast<std::ptrdiff_t>(g) * args.size;
      float* y = args.y + r * args.ldy + static_cast<std::ptrdiff_t>(g) * args.size;
      const float squares = sum_over<V>(x, args.size, V::zero(), [](V value) { return value * value; });
      const V inverse = V::set1(1.0F / __builtin_sqrtf(squares * per_size + args.eps));
      int i = 0;
      for (; i + V::kWidth <= args.size; i += V::kWidth) {
        (V::load(x + i) * inverse * V::load(args.scale + i)).store(y + i);
      }
      if (i < args.size) {
        const int count = args.size - i;
        const V value = V::load_partial(x + i, count, V::zero());
        (value * inverse * V::load_partial(args.scale + i, count, V::zero())).store_partial(y + i, count);
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
