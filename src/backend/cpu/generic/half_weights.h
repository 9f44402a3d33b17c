// Panels of weights of 16 bits for products at float32: widened in registers.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// A product of float32 with an even number of words in a round.
template <class P>
struct PairsInRound : P {
  static constexpr int kWordsInRound = P::kWordsInRound % 2 == 0 ? P::kWordsInRound : 2 * P::kWordsInRound;
};

/// bfloat16: two that follow each other in k lie side by side, so that a shift or a mask makes floats of them.
template <class I, int kVectors>
struct PanelOfBf16 {
  static constexpr int kBytes = sizeof(std::uint16_t);  // of a column in a word of k
  static constexpr int kPairs = kVectors * I::Float::kWidth;
  const std::uint32_t* pairs = nullptr;

  static PanelOfBf16 of(const char* panel, int word) {
    return {reinterpret_cast<const std::uint32_t*>(panel) + word / 2 * kPairs};
  }
  [[nodiscard]] inline __attribute__((always_inline)) typename I::Float load(int skipped, int j) const {
    const I pair = I::load(pairs + skipped / 2 * kPairs + j * I::Float::kWidth);
    return (skipped % 2 == 0 ? pair << 16 : pair & I::set1(-0x10000)).as_float();
  }
  void skip(int count) { pairs += count / 2 * kPairs; }
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(pairs); }
};

/// float16, in the order of words.
template <class I, int kVectors>
struct PanelOfFp16 {
  static constexpr int kBytes = sizeof(std::uint16_t);  // of a column in a word of k
  static constexpr int kStep = kVectors * I::Float::kWidth;
  const std::uint16_t* halves = nullptr;

  static PanelOfFp16 of(const char* panel, int word) {
    return {reinterpret_cast<const std::uint16_t*>(panel) + word * kStep};
  }
  [[nodiscard]] inline __attribute__((always_inline)) typename I::Float load(int skipped, int j) const {
    return I::Float::load_fp16(halves + skipped * kStep + j * I::Float::kWidth);
  }
  void skip(int count) { halves += count * kStep; }
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(halves); }
};

}  // namespace
}  // namespace mlxe::cpu::generic
