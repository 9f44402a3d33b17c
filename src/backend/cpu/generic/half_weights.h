// Panels of weights of 16 bits for products at float32: widened in registers.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// A product of float32 with an even number of words in a round.
template <class P>
struct PairsInRound : P {
  static constexpr int kWordsInRound = P::kWordsInRound % 2 == 0 ? P::kWordsInRound : 2 * P::kWordsInRound;
  static_assert(kHalvesStep % kWordsInRound == 0 && Ahead::kWords % kWordsInRound == 0, "whole pairs are skipped");
};

/// bfloat16: two that follow each other in k lie side by side, so that a shift or a mask makes floats of them.
template <class I, int kVectors>
struct PanelOfBf16 : RestOfPanel<std::uint32_t, kVectors * I::Float::kWidth, 2> {
  using PanelOfBf16::RestOfPanel::RestOfPanel;
  [[nodiscard]] inline __attribute__((always_inline)) typename I::Float load(int skipped, int j) const {
    const I pairs = I::load(this->at(skipped, j * I::Float::kWidth));
    return (skipped % 2 == 0 ? pairs << 16 : pairs & I::set1(-0x10000)).as_float();
  }
};

/// float16, in the order of words.
template <class I, int kVectors>
struct PanelOfFp16 : RestOfPanel<std::uint16_t, kVectors * I::Float::kWidth, 1> {
  using PanelOfFp16::RestOfPanel::RestOfPanel;
  [[nodiscard]] inline __attribute__((always_inline)) typename I::Float load(int skipped, int j) const {
    return I::Float::load_fp16(this->at(skipped, j * I::Float::kWidth));
  }
};

}  // namespace
}  // namespace mlxe::cpu::generic
