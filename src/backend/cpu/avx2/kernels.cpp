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

/// The instruction saturates sums of two products at 16 bits. Weights scaled so that no pair can get there
/// (kPairLimited) lose next to nothing: trained columns have few large values, seldom side by side. Measured with
/// MiniLM on 4,000 sentences, minimum and mean cosine to float32:
///   unlimited weights, widened to 16 bits   0.9926 0.99885   156 GOP/s of 196 (an addition for each 16 products)
///   weights limited by pairs                0.9934 0.99867   196 GOP/s
///   activations of 7 bits                   0.9818 0.99674   196 GOP/s
struct Int8Product : avx2::IntegerProduct {
  static constexpr int kValues = 4;  // per word
  static constexpr bool kOffset = true;
  static constexpr bool kPairLimited = true;
  static constexpr bool kSignedRows = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    const __m256i pairs = _mm256_maddubs_epi16(a.v, b.v);
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
  }
};

struct Int16Product : avx2::IntegerProduct {
  static constexpr int kValues = 2;  // per word
  static constexpr bool kOffset = false;
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(a.v, b.v))};
  }
  /// Of values in steps.
  static void store_words(const V (&values)[2], void* p) { V::store_short_pairs(values[0], values[1], p); }
};

}  // namespace

constinit const MatrixKernels kAvx2Fp32 = generic::fp32_matrix_kernels<avx2::I32, 6, 2>();
constinit const MatrixKernels kAvx2Int8 = generic::int8_matrix_kernels<Int8Product, 4, 2>();
constinit const MatrixKernels kAvx2WidenedBf16 =
    generic::bf16_matrix_kernels<generic::WidenedBf16<avx2::I32>, avx2::I32, 4, 2>();
constinit const MatrixKernels kAvx2Int16 = generic::int16_matrix_kernels<Int16Product, avx2::I32, 4, 2>();
constinit const AttentionKernels kAvx2AttentionFp32 =
    generic::attention_kernels<generic::Fp32Product<V>, generic::Fp32Product<V>, 6, 2>();
constinit const VectorKernels kAvx2Vector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
