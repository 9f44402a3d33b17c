// AVX-512F: sixteen 32-bit integers in a register.
#pragma once

#include <cstdint>

#include "backend/cpu/avx512/simd.h"

namespace mlxe::cpu::avx512 {
namespace {  // each translation unit its own: two may compile this with different flags

struct I32 {
  using Float = F32;
  static constexpr bool kLooksUpAtOnce = true;  // lookup16 is one instruction
  __m512i v;

  static I32 load(const std::uint32_t* p) { return {_mm512_loadu_si512(p)}; }
  static I32 set1(int x) { return {_mm512_set1_epi32(x)}; }
  friend I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
  friend I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
  friend I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
  // Zeros come in.
  friend I32 operator>>(I32 a, int n) { return {_mm512_srli_epi32(a.v, static_cast<unsigned>(n))}; }
  friend I32 operator<<(I32 a, int n) { return {_mm512_slli_epi32(a.v, static_cast<unsigned>(n))}; }
  /// All ones where equal.
  static I32 equal(I32 a, I32 b) { return {_mm512_maskz_set1_epi32(_mm512_cmpeq_epi32_mask(a.v, b.v), -1)}; }
  static I32 bits_of(F32 x) { return {_mm512_castps_si512(x.v)}; }
  [[nodiscard]] F32 as_float() const { return {_mm512_castsi512_ps(v)}; }
  [[nodiscard]] F32 to_float() const { return {_mm512_cvtepi32_ps(v)}; }
  /// The lower half of each, one beside the other.
  void store_low_halves(void* p) const { _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtepi32_epi16(v)); }
  /// table[lowest four bits]
  [[nodiscard]] F32 lookup16(const float* table) const {
    return {_mm512_permutexvar_ps(v, _mm512_loadu_ps(table))};  // heeds four bits
  }
};

}  // namespace
}  // namespace mlxe::cpu::avx512
