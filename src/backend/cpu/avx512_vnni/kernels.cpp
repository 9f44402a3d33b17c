// int8 matrix products with VNNI: four unsigned times signed bytes summed into 32 bits, exactly.
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

/// The instruction wants one unsigned side: activations run from each row's smallest value to its largest, which also
/// serves GELU's outputs, where a symmetric scale would leave half of its steps unused.
struct Int8Product {
  using Vector = V;
  struct Accumulator {
    __m512i v;
  };
  using Words = Accumulator;
  static constexpr int kValues = 4;  // per word
  static constexpr bool kScaled = true;
  static Accumulator zero() { return {_mm512_setzero_si512()}; }
  static Words load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
  static Words broadcast(const std::int32_t* p) { return {_mm512_set1_epi32(*p)}; }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    // _mm512_dpbusd_epi32 in words: GCC 12 does not tie its sum to one register and copies it around the loop,
    // which halves the speed.
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
    return sum;
  }
  static V to_float(Accumulator sum) { return {_mm512_cvtepi32_ps(sum.v)}; }
};

constexpr int kValues = Int8Product::kValues;

void pack_panel(const float* w, int count, int k, void* panel, float* column_scale, float* column_sum) {
  auto* out = static_cast<std::int8_t*>(panel);
  const int k_words = (k + kValues - 1) / kValues;
  for (int j = 0; j < kPanel; ++j) {
    const float* row = w + static_cast<std::ptrdiff_t>(j) * k;
    float largest = 0.0F;
    for (int p = 0; j < count && p < k; ++p) {
      const float magnitude = __builtin_fabsf(row[p]);
      largest = magnitude > largest ? magnitude : largest;
    }
    const float scale = largest > 0.0F ? largest / 127.0F : 1.0F;
    std::int32_t sum = 0;
    for (int p = 0; p < k_words * kValues; ++p) {
      const bool real = j < count && p < k;
      const auto q = static_cast<std::int8_t>(real ? __builtin_rintf(row[p] / scale) : 0.0F);
      out[(static_cast<std::ptrdiff_t>(p / kValues) * kPanel + j) * kValues + p % kValues] = q;
      sum += q;
    }
    column_scale[j] = scale;
    column_sum[j] = static_cast<float>(sum);
  }
}

/// Vector `index` of a row of k values, zeros beyond.
V load_values(const float* row, int index, int k) {
  const int left = k - index;
  return left >= V::kWidth ? V::load(row + index) : V::load_partial(row + index, left, V::zero());
}

void prepare_rows(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                  float* row_scale, float* row_offset) {
  const int padded = (k + kValues - 1) / kValues * kValues;
  for (int r = 0; r < rows; ++r) {
    const float* row = x + r * ldx;
    V smallest = V::zero();  // zero is always inside the range, so a row of one sign keeps its zeros nearly exact
    V largest = V::zero();
    V poison = V::zero();  // becomes NaN if a value is NaN or infinite, which min and max would lose
    for (int p = 0; p < k; p += V::kWidth) {
      const V value = load_values(row, p, k);
      smallest = V::min(smallest, value);
      largest = V::max(largest, value);
      poison = V::fma(value, V::zero(), poison);
    }
    const float offset = -(V::zero() - smallest).largest();
    const float range = largest.largest() - offset;
    const float scale = range > 0.0F ? range / 255.0F : 1.0F;
    row_scale[r] = scale + poison.sum();
    row_offset[r] = offset;
    const V inverse = V::set1(1.0F / scale);
    const V shift = V::set1(-offset / scale);
    auto* out = reinterpret_cast<std::uint8_t*>(static_cast<std::int32_t*>(words) + r * ld_words);
    const auto quantize = [&](V value) {  // to 0 .. 255; the conversion saturates
      return _mm512_cvtusepi32_epi8(_mm512_cvtps_epu32(V::max(V::fma(value, inverse, shift), V::zero()).v));
    };
    int p = 0;
    for (; p + V::kWidth <= k; p += V::kWidth) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + p), quantize(V::load(row + p)));
    }
    if (p < padded) {
      alignas(16) std::uint8_t tail[V::kWidth];
      _mm_store_si128(reinterpret_cast<__m128i*>(tail), quantize(load_values(row, p, k)));
      for (int i = 0; p + i < padded; ++i) {
        out[p + i] = tail[i];
      }
    }
  }
}

}  // namespace

const MatrixKernels kAvx512Int8 = {
    .precision = "int8",
    .panel_width = kPanel,
    .values_per_word = kValues,
    .gemm = generic::gemm<Int8Product, kRows, kVectors>,
    .pack_panel = pack_panel,
    .prepare_rows = prepare_rows,
};

}  // namespace mlxe::cpu
