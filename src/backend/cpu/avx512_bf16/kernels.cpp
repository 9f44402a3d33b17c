// bf16 matrix products with AVX-512 BF16: pairs multiplied and summed into float32.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/bf16.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {
namespace {

struct Bf16Product {
  using Vector = avx512::F32;
  using Accumulator = Vector;
  struct Words {
    __m512i v;
  };
  static constexpr int kValues = 2;  // per word
  static constexpr bool kScaled = false;
  static Accumulator zero() { return Vector::zero(); }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }
  static Vector to_float(Accumulator sum) { return sum; }

  static __m256i narrow(Vector x) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)); }
  static void store_narrow(Vector x, void* p) { _mm256_storeu_si256(static_cast<__m256i*>(p), narrow(x)); }
  static void convert(const float* x, int count, void* words) { generic::convert_bf16<Bf16Product>(x, count, words); }

  /// Words (even[i], odd[i]).
  static void store_pairs(Vector even, Vector odd, void* words) {
    const __m512i low = _mm512_cvtepu16_epi32(narrow(even));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow(odd)), 16);
    _mm512_storeu_si512(words, _mm512_or_si512(low, high));
  }
};

}  // namespace

constinit const MatrixKernels kAvx512Bf16 = generic::bf16_matrix_kernels<Bf16Product, 8, 3>();
constinit const AttentionKernels kAvx512AttentionBf16 = generic::attention_kernels<Bf16Product, 12, 2>();

}  // namespace mlxe::cpu
