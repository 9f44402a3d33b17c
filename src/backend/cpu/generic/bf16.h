// Packing and converting for bf16 matrix products, written once for every vector type.
#pragma once

#include "backend/cpu/generic/expand.h"
#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/halves.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// x[count] to words, the last one filled up with zero; words may begin where x does.
/// P::store_row({V, V}, p) writes two vectors as bf16, P::store_narrow(V, p) one.
template <class P>
void convert_bf16(const float* x, int count, void* words) {
  using V = typename P::Vector;
  constexpr int kStep = 2 * V::kWidth;
  auto* out = static_cast<std::byte*>(words);
  int i = 0;
  for (; i + kStep <= count; i += kStep) {
    P::store_row({V::load(x + i), V::load(x + i + V::kWidth)}, out + 2 * i);
  }
  store_halves<V>(x + i, count - i, out + 2 * i, [](V v, void* p) { P::store_narrow(v, p); });
}

template <class P>
void prepare_rows_bf16(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* /*row_scale*/, float* /*row_offset*/) {
  for (int r = 0; r < rows; ++r) {
    std::int32_t* out = static_cast<std::int32_t*>(words) + r * ld_words;
    convert_bf16<P>(x + r * ldx, k, out);
    for (int word = (k + 1) / P::kValues; word < padded_values<P>(k) / P::kValues; ++word) {
      out[word] = 0;
    }
  }
}

template <class P, int kPanel>
void pack_panel_bf16(const float* w, int count, int k, void* panel, float* /*column_scale*/, float* /*column_sum*/) {
  pack_halves<kPanel>(
      w, count, k, padded_values<P>(k), panel,
      [](int /*row*/, const float* x, int values, std::int32_t* words) { convert_bf16<P>(x, values, words); });
}

/// \tparam I                integers in the lanes of a vector
/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class P, class I, int kRows, int kVectors, auto kGemm = gemm<P, kRows, kVectors>>
constexpr MatrixKernels bf16_matrix_kernels() {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  return {.precision = "bf16",
          .panel_width = kPanel,
          .values_per_word = P::kValues,
          .words_at_once = P::kWordsAtOnce,
          .writes_words = kWritesWords<P>,
          .gemm = kGemm,
          .pack_panel = pack_panel_bf16<P, kPanel>,
          .prepare_rows = prepare_rows_bf16<P>,
          .expand_panel = expand_panel<P, I>};
}

}  // namespace
}  // namespace mlxe::cpu::generic
