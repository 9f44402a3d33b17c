// int8 matrix products with the 256-bit VNNI instruction of CPUs without AVX-512; all else is AVX2's. Nothing but that
// instruction is here, as CPUs that have it are rare among those that run the tests.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx2/simd.h"
#include "backend/cpu/generic/int8.h"

namespace mlxe::cpu {
namespace {

struct Int8Product {
  using Vector = avx2::F32;
  struct Accumulator {
    __m256i v;
  };
  using Words = Accumulator;
  static constexpr int kValues = 4;  // per word
  static constexpr bool kScaled = true;
  static constexpr bool kPairLimited = false;
  static constexpr bool kSignedRows = false;
  static Accumulator zero() { return {_mm256_setzero_si256()}; }
  static Words load(const std::int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  static Words broadcast(const std::int32_t* p) { return {_mm256_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));  // in words: see avx512_vnni
    return sum;
  }
  static Vector to_float(Accumulator sum) { return {_mm256_cvtepi32_ps(sum.v)}; }
};

}  // namespace

constinit const MatrixKernels kAvxVnniInt8 = generic::int8_matrix_kernels<Int8Product, 6, 2>();

}  // namespace mlxe::cpu
