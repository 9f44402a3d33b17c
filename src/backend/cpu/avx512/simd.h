// AVX-512F: sixteen floats in a register.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace mlxe::cpu::avx512 {
namespace {  // each translation unit its own: two may compile this with different flags

struct F32 {
  static constexpr int kWidth = 16;
  static constexpr bool kLooksUp = true;  // sixteen floats in one instruction
  using Raw = __m512;
  Raw v;

  static F32 zero() { return {_mm512_setzero_ps()}; }
  static F32 set1(float x) { return {_mm512_set1_ps(x)}; }
  static F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  /// Sixteen float16.
  static F32 load_fp16(const void* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))}; }
  /// The first `count` (0..16) floats, then `fill`.
  static F32 load_partial(const float* p, int count, F32 fill) {
    return {_mm512_mask_loadu_ps(fill.v, mask(count), p)};
  }
  /// Lane i is window[lanes[i] - first], one of the first sixteen.
  static F32 pick(const float* window, const std::int32_t* lanes, std::int32_t first) {
    const __m512i index = _mm512_sub_epi32(_mm512_loadu_si512(lanes), _mm512_set1_epi32(first));
    return {_mm512_permutexvar_ps(index, _mm512_loadu_ps(window))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_partial(float* p, int count) const { _mm512_mask_storeu_ps(p, mask(count), v); }

  friend F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
  static F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  // b where one of the two is NaN.
  static F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
  static F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
  static F32 round(F32 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  F32 abs() const { return {_mm512_abs_ps(v)}; }
  /// The larger magnitude, where NaN counts as the largest; a is one already.
  static F32 max_magnitude(F32 a, F32 b) {
    return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a.v), _mm512_castps_si512(b.abs().v)))};
  }
  /// The float of table[0 .. 16) that the lowest four bits of each lane name.
  static F32 lookup(const float* table, F32 bits) {
    return {_mm512_permutexvar_ps(_mm512_castps_si512(bits.v), _mm512_loadu_ps(table))};
  }
  /// a * 2^n for whole n in [-126, 127].
  static F32 scale_by_power(F32 a, F32 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
  /// Lanes [begin, end), which may lie beyond the vector; zeros in the others.
  F32 between(int begin, int end) const {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 before_end = _mm512_cmplt_epi32_mask(lanes, _mm512_set1_epi32(end));
    return {_mm512_maskz_mov_ps(_mm512_mask_cmpge_epi32_mask(before_end, lanes, _mm512_set1_epi32(begin)), v)};
  }
  /// Each rounded to the nearest of 0 .. 255, its bits then flipped by kFlip; for values above -0.5.
  template <std::uint8_t kFlip>
  void store_bytes(std::uint8_t* p) const {
    const __m128i bytes = _mm512_cvtusepi32_epi8(_mm512_cvtps_epu32(v));
    const __m128i flip = _mm_set1_epi8(static_cast<char>(kFlip));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_xor_si128(bytes, flip));
  }
  /// Each rounded to the nearest whole number of 16 bits.
  void store_shorts(void* p) const {
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(v)));
  }
  /// Pairs (even[i], odd[i]), each rounded to the nearest whole number of 16 bits, in which it must lie.
  static void store_short_pairs(F32 even, F32 odd, void* p) {
    const __m512i high = _mm512_slli_epi32(_mm512_cvtps_epi32(odd.v), 16);
    _mm512_storeu_si512(p, _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_cvtps_epi32(even.v), high));
  }
  /// Rows to columns of a 16 x 16 block: pairs of floats, then of pairs, then 128-bit lanes by distance 1 and 2.
  static inline __attribute__((always_inline)) void transpose(F32 (&m)[16]) {
    __m512 t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_unpacklo_ps(m[i].v, m[i + 1].v);
      t[i + 1] = _mm512_unpackhi_ps(m[i].v, m[i + 1].v);
    }
    __m512 u[16];  // u[4 g + c]: column c of each lane, of rows 4 g .. 4 g + 3
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
      u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xEE);
      u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      const __m512 even_low = _mm512_shuffle_f32x4(u[c], u[4 + c], 0x88);        // lanes 0 and 2 of rows 0-7
      const __m512 odd_low = _mm512_shuffle_f32x4(u[c], u[4 + c], 0xDD);         // lanes 1 and 3
      const __m512 even_high = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0x88);  // the same of rows 8-15
      const __m512 odd_high = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0xDD);
      m[c].v = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
      m[8 + c].v = _mm512_shuffle_f32x4(even_low, even_high, 0xDD);
      m[4 + c].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
      m[12 + c].v = _mm512_shuffle_f32x4(odd_low, odd_high, 0xDD);
    }
  }
  /// Runs of kRun lanes of a and b by turns: half of them in low, the others, in the same order, in high.
  template <int kRun>
  static inline __attribute__((always_inline)) void zip(F32 a, F32 b, F32& low, F32& high) {
    if constexpr (kRun == 1) {
      low.v = _mm512_unpacklo_ps(a.v, b.v);
      high.v = _mm512_unpackhi_ps(a.v, b.v);
    } else if constexpr (kRun == 2) {
      low.v = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a.v), _mm512_castps_pd(b.v)));
      high.v = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a.v), _mm512_castps_pd(b.v)));
    } else {
      low.v = _mm512_shuffle_f32x4(a.v, b.v, 0x88);
      high.v = _mm512_shuffle_f32x4(a.v, b.v, 0xDD);
    }
  }
  /// Of each two lanes that lie kDistance apart the sum in the first and the difference in the second.
  template <int kDistance>
  F32 sums_and_differences() const {
    __m512 others;
    if constexpr (kDistance <= 2) {
      others = _mm512_permute_ps(v, kDistance == 1 ? 0xB1 : 0x4E);
    } else {
      others = _mm512_shuffle_f32x4(v, v, kDistance == 4 ? 0xB1 : 0x4E);
    }
    constexpr __mmask16 kSecond = kDistance == 1 ? 0xAAAA : kDistance == 2 ? 0xCCCC : kDistance == 4 ? 0xF0F0 : 0xFF00;
    return {_mm512_fmadd_ps(v, _mm512_mask_blend_ps(kSecond, _mm512_set1_ps(1.0F), _mm512_set1_ps(-1.0F)), others)};
  }
  float sum() const { return _mm512_reduce_add_ps(v); }
  float largest() const { return _mm512_reduce_max_ps(v); }
  /// Of magnitudes, NaN being the largest.
  float largest_magnitude() const { return __builtin_bit_cast(float, _mm512_reduce_max_epi32(_mm512_castps_si512(v))); }

 private:
  static __mmask16 mask(int count) { return static_cast<__mmask16>((1U << count) - 1U); }
};

}  // namespace
}  // namespace mlxe::cpu::avx512
