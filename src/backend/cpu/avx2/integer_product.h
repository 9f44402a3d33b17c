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
  static constexpr bool kScaled = true;
  static Accumulator zero() { return {_mm256_setzero_si256()}; }
  static Words load(const std::int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  static Words broadcast(const std::int32_t* p) { return {_mm256_set1_epi32(*p)}; }
  static Vector to_float(Accumulator sum) { return {_mm256_cvtepi32_ps(sum.v)}; }
};

}  // namespace
}  // namespace mlxe::cpu::avx2
