// The kernels of this instruction set: the shared templates at its vector type and tile sizes.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx2/integer_product.h"
#include "backend/cpu/avx2/integers.h"
#include "backend/cpu/avx2/simd.h"
#include "backend/cpu/generic/int16.h"
#include "backend/cpu/generic/int8.h"
#include "backend/cpu/generic/tables.h"
#include "backend/cpu/generic/widened_bf16.h"

namespace mlxe::cpu {
namespace {

using V = avx2::F32;

/// Where another thread runs on the same core, the number of instructions is what counts: four rows of three vectors
/// load less for each product than six of two, and a long round counts less, together 0.8 of the instructions. On Zen 3
/// the slowest quarter of 14 runs is an eighth faster by that, the fastest as fast. The sum in words, as GCC 12 moves
/// sums from register to register in long rounds.
struct LongRounds : generic::Fp32Product<V> {
  static constexpr int kWordsInRound = 4;
  static V multiply_add(V a, V b, V sum) {
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
    return sum;
  }
};

/// maddubs sums two products in 16 bits, and another addition four, before they are widened. Steps are so large that no
/// such sum saturates (kSaturates). Rotated columns have few large values, seldom four of one sign in one place, so
/// that little is lost. Measured with MiniLM on 4,000 sentences, minimum and mean cosine to float32, and with 256 rows
/// of 384 features on Zen 3, which makes 97 GOP/s at fp32, before rows were rotated:
///   pairs widened   0.9976 0.99955   158 GOP/s
///   fours widened   0.9973 0.99943   193 GOP/s
struct Int8Product : avx2::IntegerProduct {
  struct Words {
    __m256i v[2];
  };
  static constexpr int kValues = 4;  // per word
  static constexpr int kWordsAtOnce = 2;
  static constexpr int kWordsInRound = 2;
  static constexpr bool kOffset = true;
  static constexpr bool kSaturates = true;
  static constexpr bool kSignedRows = false;
  static Words load(const std::int32_t* p, std::ptrdiff_t ld) {
    return {{IntegerProduct::load(p).v, IntegerProduct::load(p + ld).v}};
  }
  static Words broadcast(const std::int32_t* p) { return {{_mm256_set1_epi32(p[0]), _mm256_set1_epi32(p[1])}}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    const __m256i fours = _mm256_add_epi16(_mm256_maddubs_epi16(a.v[0], b.v[0]), _mm256_maddubs_epi16(a.v[1], b.v[1]));
    return add(sum, _mm256_madd_epi16(fours, _mm256_set1_epi16(1)));
  }
};

struct Int16Product : avx2::IntegerProduct {
  static constexpr int kValues = 2;  // per word
  static constexpr bool kOffset = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) { return add(sum, _mm256_madd_epi16(a.v, b.v)); }
  /// Of values in steps.
  static void store_words(const V (&values)[2], void* p) { V::store_short_pairs(values[0], values[1], p); }
};

}  // namespace

constinit const MatrixKernels kAvx2Fp32 = generic::fp32_matrix_kernels<avx2::I32, 4, 3, LongRounds>();
constinit const MatrixKernels kAvx2Int8 = generic::int8_matrix_kernels<Int8Product, 4, 2>();
constinit const MatrixKernels kAvx2WidenedBf16 =
    generic::bf16_matrix_kernels<generic::WidenedBf16<avx2::I32>, avx2::I32, 4, 2>();
constinit const MatrixKernels kAvx2Int16 = generic::int16_matrix_kernels<Int16Product, avx2::I32, 6, 2>();
constinit const AttentionKernels kAvx2AttentionFp32 =
    generic::attention_kernels<generic::Fp32Product<V>, generic::Fp32Product<V>, 6, 2, 4>();
constinit const VectorKernels kAvx2Vector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
