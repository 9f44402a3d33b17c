// bf16 matrix products with AVX-512 BF16: pairs multiplied and summed into float32.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/kernel_table.h"

#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu {
namespace {

using V = avx512::F32;
constexpr int kRows = 8;
constexpr int kVectors = 3;
constexpr int kPanel = kVectors * V::kWidth;
constexpr int kValues = 2;

struct Bf16Product {
  using Vector = V;
  using Accumulator = V;
  struct Words {
    __m512i v;
  };
  static constexpr bool kScaled = false;
  static Accumulator zero() { return V::zero(); }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
  }
  static V to_float(Accumulator sum) { return sum; }
};

void prepare_rows(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                  float* /*row_scale*/, float* /*row_offset*/) {
  const int padded = (k + kValues - 1) / kValues * kValues;
  for (int r = 0; r < rows; ++r) {
    const float* row = x + r * ldx;
    auto* out = reinterpret_cast<std::int16_t*>(static_cast<std::int32_t*>(words) + r * ld_words);
    int p = 0;
    for (; p + V::kWidth <= k; p += V::kWidth) {
      const __m256i narrow = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(row + p)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + p), narrow);
    }
    if (p < padded) {
      const V value = V::load_partial(row + p, k - p, V::zero());
      alignas(32) std::int16_t tail[V::kWidth];
      _mm256_store_si256(reinterpret_cast<__m256i*>(tail), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value.v)));
      for (int i = 0; p + i < padded; ++i) {
        out[p + i] = tail[i];
      }
    }
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
        prepare_rows(w + static_cast<std::ptrdiff_t>(j) * k + begin * kValues, 0, 1, values, row, 0, nullptr, nullptr);
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

}  // namespace mlxe::cpu
