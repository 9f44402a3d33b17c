// AVX2: words of whole numbers, and eight sums of their products.
#pragma once

#include <cstdint>

#include "backend/cpu/avx2/simd.h"

namespace mlxe::cpu::avx2 {
namespace {  // each translation unit its own: two may compile this with different flags

/// What int8 and int16 products share.
struct IntegerProduct {
  using Vector = F32;
  struct Accumulator {
    __m256i v;
  };
  using Words = Accumulator;
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = true;
  static Accumulator zero() { return {_mm256_setzero_si256()}; }
  static Words load(const std::int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  static Words broadcast(const std::int32_t* p) { return {_mm256_set1_epi32(*p)}; }
  /// The instruction in words: GCC 12 does not tie the intrinsic's sum to one register, and copies it around the loop.
  static Accumulator add(Accumulator sum, __m256i products) {
    asm("vpaddd %1, %0, %0" : "+x"(sum.v) : "x"(products));
    return sum;
  }
  static Vector to_float(Accumulator sum) { return {_mm256_cvtepi32_ps(sum.v)}; }
};

}  // namespace
}  // namespace mlxe::cpu::avx2
