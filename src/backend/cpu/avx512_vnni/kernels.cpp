// int8 and int16 matrix products with VNNI: four or two products summed into 32 bits, exactly.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/integers.h"
#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/int16.h"
#include "backend/cpu/generic/int8.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {
namespace {

struct IntegerProduct {
  using Vector = avx512::F32;
  struct Accumulator {
    __m512i v;
  };
  using Words = Accumulator;
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
  static constexpr bool kPairLimited = false;
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

constinit const MatrixKernels kAvx512Int8 = generic::int8_matrix_kernels<Int8Product, 8, 3>();
constinit const MatrixKernels kAvx512Int16 = generic::int16_matrix_kernels<Int16Product, avx512::I32, 8, 3>();
constinit const AttentionKernels kAvx512AttentionInt16 =
    generic::attention_kernels<generic::Int16Scores<Int16Product>, generic::Fp32Product<avx512::F32>, 12, 2>();

}  // namespace mlxe::cpu
