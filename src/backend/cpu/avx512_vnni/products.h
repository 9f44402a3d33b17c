// VNNI with 512-bit registers: sums of four int8 or two int16 products.
#pragma once

#include <cstdint>

#include "backend/cpu/avx512/simd.h"

namespace mlxe::cpu::avx512_vnni {
namespace {  // each translation unit its own: two compile this with different flags

/// What both share.
struct IntegerProduct {
  using Vector = avx512::F32;
  struct Accumulator {
    __m512i v;
  };
  using Words = Accumulator;
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = true;
  static Accumulator zero() { return {_mm512_setzero_si512()}; }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Vector to_float(Accumulator sum) { return {_mm512_cvtepi32_ps(sum.v)}; }
};

// The instructions in words: GCC 12 does not tie the sum of _mm512_dpbusd_epi32 to one register and copies it around
// the loop, which halves the speed.

struct Int8Product : IntegerProduct {
  static constexpr int kValues = 4;  // per word
  static constexpr bool kOffset = true;
  static constexpr bool kSaturates = false;
  static constexpr bool kSignedRows = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }
};

struct Int16Product : IntegerProduct {
  static constexpr int kValues = 2;  // per word
  static constexpr bool kOffset = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }
  /// Of values in steps.
  static void store_words(const Vector (&values)[2], void* p) { Vector::store_short_pairs(values[0], values[1], p); }
};

}  // namespace
}  // namespace mlxe::cpu::avx512_vnni
