// Packing and converting for bf16 matrix products, written once for every vector type.
#pragma once

#include <cstddef>  // std::byte, a type only

#include "backend/cpu/generic/expand.h"
#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// x[count] to words, the last one filled up with zero; words may begin where x does.
/// P::store_narrow(V, p) writes a vector as bf16.
template <class P>
void convert_bf16(const float* x, int count, void* words) {
  using V = typename P::Vector;
  auto* out = static_cast<std::byte*>(words);
  int i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    P::store_narrow(V::load(x + i), out + 2 * i);
  }
  if (i < count) {
    alignas(64) std::byte tail[2 * V::kWidth];
    P::store_narrow(V::load_partial(x + i, count - i, V::zero()), tail);
    const int padded = (count + P::kValues - 1) / P::kValues * P::kValues;
    __builtin_memcpy(out + 2 * i, tail, static_cast<std::size_t>(padded - i) * 2);
  }
}

template <class P>
void prepare_rows_bf16(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* /*row_scale*/, float* /*row_offset*/) {
  for (int r = 0; r < rows; ++r) {
    convert_bf16<P>(x + r * ldx, k, static_cast<std::int32_t*>(words) + r * ld_words);
  }
}

template <class P, int kPanel>
void pack_panel_bf16(const float* w, int count, int k, void* panel, float* /*column_scale*/, float* /*column_sum*/) {
  constexpr int kValues = P::kValues;
  const int k_words = (k + kValues - 1) / kValues;
  auto* out = static_cast<std::int32_t*>(panel);
  constexpr int kBlockWords = 8;  // 16 values of every row at a time: whole cache lines are read
  for (int begin = 0; begin < k_words; begin += kBlockWords) {
    const int words = k_words - begin < kBlockWords ? k_words - begin : kBlockWords;
    const int values = k - begin * kValues < kBlockWords * kValues ? k - begin * kValues : kBlockWords * kValues;
    for (int j = 0; j < kPanel; ++j) {
      std::int32_t row[kBlockWords] = {};
      if (j < count) {
        convert_bf16<P>(w + static_cast<std::ptrdiff_t>(j) * k + begin * kValues, values, row);
      }
      for (int p = 0; p < words; ++p) {
        out[static_cast<std::ptrdiff_t>(begin + p) * kPanel + j] = row[p];
      }
    }
  }
}

/// \tparam I                integers in the lanes of a vector
/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class P, class I, int kRows, int kVectors>
constexpr MatrixKernels bf16_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "bf16",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .gemm = gemm<P, kRows, kVectors>,
          .pack_panel = pack_panel_bf16<P, kPanel>,
          .prepare_rows = prepare_rows_bf16<P>,
          .expand_panel = expand_panel<P, I>};
}

}  // namespace
}  // namespace mlxe::cpu::generic
