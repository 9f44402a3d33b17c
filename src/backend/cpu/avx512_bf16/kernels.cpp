// bf16 matrix products with AVX-512 BF16: pairs multiplied and summed into float32.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include <cstddef>  // std::byte, a type only

#include "backend/cpu/kernel_table.h"

#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {
namespace {

using V = avx512::F32;
constexpr int kRows = 8;
constexpr int kVectors = 3;
constexpr int kPanel = kVectors * V::kWidth;
constexpr int kAttentionRows = 12;
constexpr int kAttentionVectors = 2;

struct Bf16Product {
  using Vector = V;
  using Accumulator = V;
  struct Words {
    __m512i v;
  };
  static constexpr int kValues = 2;  // per word
  static constexpr bool kScaled = false;
  static Accumulator zero() { return V::zero(); }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }
  static V to_float(Accumulator sum) { return sum; }

  static __m256i narrow(V x) { return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.v)); }

  /// x[count] to words, the last one filled up with zero; words may begin where x does.
  static void convert(const float* x, int count, void* words) {
    auto* out = static_cast<std::byte*>(words);
    int i = 0;
    for (; i + V::kWidth <= count; i += V::kWidth) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 2 * i), narrow(V::load(x + i)));
    }
    if (i < count) {
      alignas(32) std::byte tail[32];
      _mm256_store_si256(reinterpret_cast<__m256i*>(tail), narrow(V::load_partial(x + i, count - i, V::zero())));
      const int padded = (count + kValues - 1) / kValues * kValues;
      __builtin_memcpy(out + 2 * i, tail, static_cast<std::size_t>(padded - i) * 2);
    }
  }

  /// Words (even[i], odd[i]).
  static void store_pairs(V even, V odd, void* words) {
    const __m512i low = _mm512_cvtepu16_epi32(narrow(even));
    const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow(odd)), 16);
    _mm512_storeu_si512(words, _mm512_or_si512(low, high));
  }
};
constexpr int kValues = Bf16Product::kValues;

void prepare_rows(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                  float* /*row_scale*/, float* /*row_offset*/) {
  for (int r = 0; r < rows; ++r) {
    Bf16Product::convert(x + r * ldx, k, static_cast<std::int32_t*>(words) + r * ld_words);
  }
}

void pack_panel(const float* w, int count, int k, void* panel, float* /*column_scale*/, float* /*column_sum*/) {
  const int k_words = (k + kValues - 1) / kValues;
  auto* out = static_cast<std::int32_t*>(panel);
  constexpr int kBlockWords = 8;  // 16 values of every row at a time: whole cache lines are read
  for (int begin = 0; begin < k_words; begin += kBlockWords) {
    const int words = k_words - begin < kBlockWords ? k_words - begin : kBlockWords;
    const int values = k - begin * kValues < kBlockWords * kValues ? k - begin * kValues : kBlockWords * kValues;
    for (int j = 0; j < kPanel; ++j) {
      std::int32_t row[kBlockWords] = {};
      if (j < count) {
        Bf16Product::convert(w + static_cast<std::ptrdiff_t>(j) * k + begin * kValues, values, row);
      }
      for (int p = 0; p < words; ++p) {
        out[static_cast<std::ptrdiff_t>(begin + p) * kPanel + j] = row[p];
      }
    }
  }
}

}  // namespace

const MatrixKernels kAvx512Bf16 = {
    .precision = "bf16",
    .panel_width = kPanel,
    .values_per_word = kValues,
    .gemm = generic::gemm<Bf16Product, kRows, kVectors>,
    .pack_panel = pack_panel,
    .prepare_rows = prepare_rows,
};

constinit const AttentionKernels kAvx512AttentionBf16 =
    generic::attention_kernels<Bf16Product, kAttentionRows, kAttentionVectors>();

}  // namespace mlxe::cpu
