// int8 matrix products with VNNI: four unsigned times signed bytes summed into 32 bits, exactly.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/int8.h"

namespace mlxe::cpu {
namespace {

struct Int8Product {
  using Vector = avx512::F32;
  struct Accumulator {
    __m512i v;
  };
  using Words = Accumulator;
  static constexpr int kValues = 4;  // per word
  static constexpr bool kScaled = true;
  static constexpr bool kPairLimited = false;
  static constexpr bool kSignedRows = false;
  static Accumulator zero() { return {_mm512_setzero_si512()}; }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    // _mm512_dpbusd_epi32 in words: GCC 12 does not tie its sum to one register and copies it around the loop,
    // which halves the speed.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }
  static Vector to_float(Accumulator sum) { return {_mm512_cvtepi32_ps(sum.v)}; }
};

}  // namespace

constinit const MatrixKernels kAvx512Int8 = generic::int8_matrix_kernels<Int8Product, 8, 3>();

}  // namespace mlxe::cpu
