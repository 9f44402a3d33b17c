// Values of 16 bits, two to a word: what bf16 and int16 products share.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// x[count] to words, the last one filled up with zero; words may begin where x does.
/// \param store  store(V, p) writes a vector as values of 16 bits
template <class V, class F>
inline __attribute__((always_inline)) void store_halves(const float* x, int count, void* words, const F& store) {
  auto* out = static_cast<std::byte*>(words);
  int i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    store(V::load(x + i), out + 2 * i);
  }
  if (i < count) {
    alignas(64) std::byte tail[2 * V::kWidth];
    store(V::load_partial(x + i, count - i, V::zero()), tail);
    const int padded = (count + 1) / 2 * 2;
    __builtin_memcpy(out + 2 * i, tail, static_cast<std::size_t>(padded - i) * 2);
  }
}

/// Rows [0, count) of w[count, k] to one panel of words, zeros beyond.
/// \param padded_k  k and the zeros after it, an even number
/// \param convert   convert(row, x, n, words) turns n values of a row into words
template <int kPanel, class F>
void pack_halves(const float* w, int count, int k, int padded_k, void* panel, const F& convert) {
  const int k_words = padded_k / 2;
  auto* out = static_cast<std::int32_t*>(panel);
  constexpr int kBlockWords = 8;  // 16 values of every row at a time: whole cache lines are read
  for (int begin = 0; begin < k_words; begin += kBlockWords) {
    const int words = k_words - begin < kBlockWords ? k_words - begin : kBlockWords;
    const int values = k - begin * 2 < kBlockWords * 2 ? k - begin * 2 : kBlockWords * 2;
    for (int j = 0; j < kPanel; ++j) {
      std::int32_t row[kBlockWords] = {};
      if (j < count && values > 0) {
        convert(j, w + static_cast<std::ptrdiff_t>(j) * k + begin * 2, values, row);
      }
      for (int p = 0; p < words; ++p) {
        out[static_cast<std::ptrdiff_t>(begin + p) * kPanel + j] = row[p];
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
