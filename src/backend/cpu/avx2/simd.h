// AVX2, FMA and F16C: eight floats in a register.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace mlxe::cpu::avx2 {
namespace {  // each translation unit its own: two may compile this with different flags

struct F32 {
  static constexpr int kWidth = 8;
  static constexpr bool kLooksUp = false;
  using Raw = __m256;
  Raw v;

  static F32 zero() { return {_mm256_setzero_ps()}; }
  static F32 set1(float x) { return {_mm256_set1_ps(x)}; }
  static F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
  /// Eight float16.
  static F32 load_fp16(const void* p) { return {_mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)))}; }
  /// The first `count` (0..8) floats, then `fill`.
  static F32 load_partial(const float* p, int count, F32 fill) {
    const __m256i m = mask(count);
    return {_mm256_blendv_ps(fill.v, _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m))};
  }
  /// Lane i is window[lanes[i] - first], one of the first eight.
  static F32 pick(const float* window, const std::int32_t* lanes, std::int32_t first) {
    const __m256i index =
        _mm256_sub_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)), _mm256_set1_epi32(first));
    return {_mm256_permutevar8x32_ps(_mm256_loadu_ps(window), index)};
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_partial(float* p, int count) const { _mm256_maskstore_ps(p, mask(count), v); }

  friend F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
  static F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  // b where one of the two is NaN.
  static F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
  static F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
  static F32 round(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  F32 abs() const { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0F), v)}; }
  /// The larger magnitude, where NaN counts as the largest; a is one already.
  static F32 max_magnitude(F32 a, F32 b) {
    return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a.v), _mm256_castps_si256(b.abs().v)))};
  }
  /// a * 2^n for whole n in [-126, 127].
  static F32 scale_by_power(F32 a, F32 n) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.v), _mm256_set1_epi32(127)), 23);
    return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(exponent))};
  }
  /// Lanes [begin, end), which may lie beyond the vector; zeros in the others.
  F32 between(int begin, int end) const {
    return {_mm256_and_ps(v, _mm256_castsi256_ps(_mm256_andnot_si256(mask(begin), mask(end))))};
  }
  /// Each rounded to the nearest of 0 .. 255, its bits then flipped by kFlip; for values above -0.5.
  template <std::uint8_t kFlip>
  void store_bytes(std::uint8_t* p) const {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    const __m128i flip = _mm_set1_epi8(static_cast<char>(kFlip));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_xor_si128(_mm_packus_epi16(words, words), flip));
  }
  /// Each rounded to the nearest whole number of 16 bits.
  void store_shorts(void* p) const {
    const __m256i whole = _mm256_cvtps_epi32(v);
    const __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128(static_cast<__m128i*>(p), shorts);
  }
  /// Pairs (even[i], odd[i]), each rounded to the nearest whole number of 16 bits, in which it must lie.
  static void store_short_pairs(F32 even, F32 odd, void* p) {
    const __m256i high = _mm256_slli_epi32(_mm256_cvtps_epi32(odd.v), 16);
    _mm256_storeu_si256(static_cast<__m256i*>(p), _mm256_blend_epi16(_mm256_cvtps_epi32(even.v), high, 0xAA));
  }
  /// Rows to columns of an 8 x 8 block: pairs of floats, then of pairs, then 128-bit halves.
  static inline __attribute__((always_inline)) void transpose(F32 (&m)[8]) {
    __m256 t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(m[i].v, m[i + 1].v);
      t[i + 1] = _mm256_unpackhi_ps(m[i].v, m[i + 1].v);
    }
    __m256 u[8];  // u[4 g + c]: column c of each half, of rows 4 g .. 4 g + 3
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
      u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      m[c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x20);
      m[4 + c].v = _mm256_permute2f128_ps(u[c], u[4 + c], 0x31);
    }
  }
  /// Runs of kRun lanes of a and b by turns: half of them in low, the others, in the same order, in high.
  template <int kRun>
  static inline __attribute__((always_inline)) void zip(F32 a, F32 b, F32& low, F32& high) {
    if constexpr (kRun == 1) {
      low.v = _mm256_unpacklo_ps(a.v, b.v);
      high.v = _mm256_unpackhi_ps(a.v, b.v);
    } else if constexpr (kRun == 2) {
      low.v = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a.v), _mm256_castps_pd(b.v)));
      high.v = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a.v), _mm256_castps_pd(b.v)));
    } else {
      low.v = _mm256_permute2f128_ps(a.v, b.v, 0x20);
      high.v = _mm256_permute2f128_ps(a.v, b.v, 0x31);
    }
  }
  /// Of each two lanes that lie kDistance apart the sum in the first and the difference in the second.
  template <int kDistance>
  F32 sums_and_differences() const {
    __m256 others;
    __m256 signs;
    if constexpr (kDistance == 1) {
      others = _mm256_permute_ps(v, 0xB1);
      signs = _mm256_setr_ps(1, -1, 1, -1, 1, -1, 1, -1);
    } else if constexpr (kDistance == 2) {
      others = _mm256_permute_ps(v, 0x4E);
      signs = _mm256_setr_ps(1, 1, -1, -1, 1, 1, -1, -1);
    } else {
      others = _mm256_permute2f128_ps(v, v, 0x01);
      signs = _mm256_setr_ps(1, 1, 1, 1, -1, -1, -1, -1);
    }
    return {_mm256_fmadd_ps(v, signs, others)};
  }
  float sum() const {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  float largest() const {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
  /// Of magnitudes, NaN being the largest.
  float largest_magnitude() const {
    const __m256i bits = _mm256_castps_si256(v);
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    return __builtin_bit_cast(float, _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xB1))));
  }

 private:
  static __m256i mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace
}  // namespace mlxe::cpu::avx2
