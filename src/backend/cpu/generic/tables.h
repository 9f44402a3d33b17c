// The kernel tables of one vector type, filled from the shared templates.
#pragma once

#include "backend/cpu/generic/attention.h"
#include "backend/cpu/generic/expand.h"
#include "backend/cpu/generic/gate.h"
#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/half_weights.h"
#include "backend/cpu/generic/norms.h"
#include "backend/cpu/generic/rope.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// Null where float16 is widened by so many instructions that wide weights are better.
template <class P, class I, int kRows, int kVectors>
constexpr auto gemm_of_fp16() -> void (*)(const GemmArgs&) {
  if constexpr (requires { I::Float::load_fp16(nullptr); }) {
    return gemm<P, kRows, kVectors, PanelOfFp16<I, kVectors>>;
  } else {
    return nullptr;
  }
}

/// \tparam I                integers in the lanes of a vector
/// \tparam kRows, kVectors  the register tile: rows of a, vectors of a panel
template <class I, int kRows, int kVectors, class P = Fp32Product<typename I::Float>>
constexpr MatrixKernels fp32_matrix_kernels() {
  using V = typename I::Float;
  return {.precision = "fp32",
          .panel_width = kVectors * V::kWidth,
          .values_per_word = 1,
          .gemm = gemm<P, kRows, kVectors>,
          .pack_panel = pack_panel_fp32<kVectors * V::kWidth>,
          .prepare_rows = nullptr,
          .expand_panel = expand_panel<P, I>,
          .gemm_of_bf16 = gemm<PairsInRound<P>, kRows, kVectors, PanelOfBf16<I, kVectors>>,
          .gemm_of_fp16 = gemm_of_fp16<P, I, kRows, kVectors>()};
}

/// \tparam A         AttentionProducts
/// \tparam kQueries  queries that share masks, statistics and calls; kFewer where they see different keys
template <class A, int kQueries, int kFewer, int kVectors>
constexpr AttentionKernels attention_kernels_of() {
  static_assert(kVectors % A::Values::kValues == 0, "weights are written in steps of whole vectors of words");
  return {.attention = attention<A, kQueries, kFewer, kVectors>,
          .scratch_floats = attention_scratch_floats<A, kQueries, kVectors>,
          .position_panel = kVectors * A::Vector::kWidth,
          .position_words = position_words<typename A::Scores, kVectors>,
          .pack_positions = pack_positions<typename A::Scores, kVectors>};
}

/// \tparam Scores, Values  the products of queries with keys, and of weights with values
/// \tparam kTiles          tiles of queries that are taken together where all see the same keys: on Zen 5 four take
///                         0.89 to 0.97 of one's time, three and eight 1.02 of four's; where keys differ 1.00 to 1.10
template <class Scores, class Values, int kRows, int kVectors, int kTiles = 1>
constexpr AttentionKernels attention_kernels() {
  using A = AttentionProducts<Scores, Values, gemm<Scores, kRows, kVectors>, gemm<Values, kRows, kVectors>>;
  return attention_kernels_of<A, kTiles * kRows, kRows, kVectors>();
}

template <class V>
constexpr VectorKernels vector_kernels() {
  return {.layer_norm = layer_norm<V>,
          .rms_norm = rms_norm<V>,
          .rope = rope<V>,
          .gate = gate<V>,
          .activate = activate_all<V>};
}

}  // namespace
}  // namespace mlxe::cpu::generic
