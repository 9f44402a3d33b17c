// int8 and int16 matrix products with the 256-bit VNNI instructions of CPUs without AVX-512; all else is AVX2's.
// Nothing but what needs them is here, as CPUs that have them are rare among those that run the tests. No standard
// library in here: an inline function compiled with this folder's flags could be linked into code that runs on a lesser
// CPU.
#include "backend/cpu/avx2/integer_product.h"
#include "backend/cpu/avx2/integers.h"
#include "backend/cpu/generic/int16.h"
#include "backend/cpu/generic/int8.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {
namespace {

// The instructions in words: see avx512_vnni.

struct Int8Product : avx2::IntegerProduct {
  static constexpr int kValues = 4;  // per word
  static constexpr bool kOffset = true;
  static constexpr bool kSaturates = false;
  static constexpr bool kSignedRows = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
    return sum;
  }
};

struct Int16Product : avx2::IntegerProduct {
  static constexpr int kValues = 2;  // per word
  static constexpr bool kOffset = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    asm("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
    return sum;
  }
  /// Of values in steps.
  static void store_words(const Vector (&values)[2], void* p) { Vector::store_short_pairs(values[0], values[1], p); }
};

}  // namespace

constinit const MatrixKernels kAvxVnniInt8 = generic::int8_matrix_kernels<Int8Product, 6, 2>();
constinit const MatrixKernels kAvxVnniInt16 = generic::int16_matrix_kernels<Int16Product, avx2::I32, 6, 2>();
constinit const AttentionKernels kAvxVnniAttentionInt16 =
    generic::attention_kernels<generic::Int16Scores<Int16Product>, generic::Fp32Product<avx2::F32>, 6, 2, 4>();

}  // namespace mlxe::cpu
