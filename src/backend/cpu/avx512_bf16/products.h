// AVX-512 BF16: sums of two bf16 products.
#pragma once

#include <cstdint>

#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/bf16.h"

namespace mlxe::cpu::avx512_bf16 {
namespace {  // each translation unit its own: two compile this with different flags

struct Bf16Product {
  using Vector = avx512::F32;
  using Accumulator = Vector;
  struct Words {
    __m512i v;
  };
  static constexpr int kValues = 2;  // per word
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = false;
  static constexpr bool kOffset = false;
  static Accumulator zero() { return Vector::zero(); }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }
  static Vector to_float(Accumulator sum) { return sum; }

  static __m256i narrow(Vector x) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)); }
  static void store_narrow(Vector x, void* p) { _mm256_storeu_si256(static_cast<__m256i*>(p), narrow(x)); }
  static float convert(const float* x, int count, void* words) {
    generic::convert_bf16<Bf16Product>(x, count, words);
    return 1.0F;
  }

  /// Words (values[0][0], values[0][1]), ...; those of values[1] follow.
  static void store_row(const Vector (&values)[2], void* words) {
    _mm512_storeu_si512(words, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(values[1].v, values[0].v)));
  }
  /// Words (values[0][i], values[1][i]).
  static void store_words(const Vector (&values)[2], void* words) {
    const auto halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(values[1].v, values[0].v));
    alignas(64) static constexpr std::uint16_t kInTurns[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                               21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                               11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    _mm512_storeu_si512(words, _mm512_permutexvar_epi16(_mm512_load_si512(kInTurns), halves));
  }
};

}  // namespace
}  // namespace mlxe::cpu::avx512_bf16
