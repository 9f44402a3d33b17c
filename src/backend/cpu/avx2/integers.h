// AVX2: eight 32-bit integers in a register.
#pragma once

#include <cstdint>

#include "backend/cpu/avx2/simd.h"

namespace mlxe::cpu::avx2 {
namespace {  // each translation unit its own: two may compile this with different flags

struct I32 {
  using Float = F32;
  static constexpr bool kLooksUpAtOnce = false;  // lookup16 is one instruction
  __m256i v;

  static I32 load(const std::uint32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  static I32 set1(int x) { return {_mm256_set1_epi32(x)}; }
  friend I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
  friend I32 operator&(I32 a, I32 b) { return {_mm256_and_si256(a.v, b.v)}; }
  friend I32 operator|(I32 a, I32 b) { return {_mm256_or_si256(a.v, b.v)}; }
  friend I32 operator>>(I32 a, int n) { return {_mm256_srli_epi32(a.v, n)}; }  // zeros come in
  friend I32 operator<<(I32 a, int n) { return {_mm256_slli_epi32(a.v, n)}; }
  /// All ones where equal.
  static I32 equal(I32 a, I32 b) { return {_mm256_cmpeq_epi32(a.v, b.v)}; }
  static I32 bits_of(F32 x) { return {_mm256_castps_si256(x.v)}; }
  [[nodiscard]] F32 as_float() const { return {_mm256_castsi256_ps(v)}; }
  [[nodiscard]] F32 to_float() const { return {_mm256_cvtepi32_ps(v)}; }
  /// The lower half of each, one beside the other; for values below 2^16.
  void store_low_halves(void* p) const {
    const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storeu_si128(static_cast<__m128i*>(p), halves);
  }
  /// table[lowest four bits]
  [[nodiscard]] F32 lookup16(const float* table) const {
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), v);  // heeds three bits
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), v);
    return {_mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(v, 28)))};
  }
};

}  // namespace
}  // namespace mlxe::cpu::avx2
