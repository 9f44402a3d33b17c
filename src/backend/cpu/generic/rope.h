// Rotary position embedding of rows of heads, written once for every vector type.
#pragma once

#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// (a, b) -> (a cos - b sin, b cos + a sin) for the pairs (x[i], x[i + pairs]) of one head.
template <class V>
inline void turn_halves(const float* x, float* y, const float* cosines, const float* sines, int pairs) {
  for (int i = 0; i < pairs; i += V::kWidth) {
    const int count = pairs - i;
    const bool whole = count >= V::kWidth;
    const auto load = [&](const float* p) { return whole ? V::load(p) : V::load_partial(p, count, V::zero()); };
    const V a = load(x + i);
    const V b = load(x + pairs + i);
    const V cosine = load(cosines + i);
    const V sine = load(sines + i);
    const V first = V::fma(a, cosine, V::zero() - b * sine);
    const V second = V::fma(b, cosine, a * sine);
    if (whole) {
      first.store(y + i);
      second.store(y + pairs + i);
    } else {
      first.store_partial(y + i, count);
      second.store_partial(y + pairs + i, count);
    }
  }
}

template <class V>
void rope(const RopeArgs& args) {
  for (int r = 0; r < args.rows; ++r) {
    const float* cosines = args.table + r * args.ldt;
    const float* sines = cosines + args.pairs;
    for (int head = 0; head < args.heads; ++head) {
      const float* x = args.x + r * args.ldx + static_cast<std::ptrdiff_t>(head) * args.head_dim;
      float* y = args.y + r * args.ldy + static_cast<std::ptrdiff_t>(head) * args.head_dim;
      if (args.layout == RopePairs::kHalves) {
        turn_halves<V>(x, y, cosines, sines, args.pairs);
      } else {
        for (int i = 0; i < args.pairs; ++i) {
          const float a = x[2 * i];
          const float b = x[2 * i + 1];
          y[2 * i] = a * cosines[i] - b * sines[i];
          y[2 * i + 1] = b * cosines[i] + a * sines[i];
        }
      }
      for (int i = 2 * args.pairs; i < args.head_dim; ++i) {
        y[i] = x[i];
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
