// Sums over a row, in several chains lest each addition wait for the one before; written once for every vector type.
#pragma once

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// sum f(x[i]) over a row, `f` mapping V to V; the tail's missing lanes must map to zero.
template <class V, class F>
inline __attribute__((always_inline)) float sum_over(const float* x, int size, V fill, F f) {
  V total[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  int i = 0;
  for (; i + 4 * V::kWidth <= size; i += 4 * V::kWidth) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      total[j] = total[j] + f(V::load(x + i + j * V::kWidth));
    }
  }
  for (; i + V::kWidth <= size; i += V::kWidth) {
    total[0] = total[0] + f(V::load(x + i));
  }
  if (i < size) {
    total[1] = total[1] + f(V::load_partial(x + i, size - i, fill));
  }
  return ((total[0] + total[1]) + (total[2] + total[3])).sum();
}

}  // namespace
}  // namespace mlxe::cpu::generic
