// Attention's scratch memory, and keys and values put into panels there.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

constexpr int kKeyBlock = 512;  // keys packed at a time: 64 KB each of k and v at head_dim 32; no S x S buffer

inline constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
inline constexpr int smaller(int a, int b) {
  return a < b ? a : b;
}
inline constexpr int larger(int a, int b) {
  return a > b ? a : b;
}

/// Words that hold `count` values.
template <class P>
constexpr int words_of(int count) {
  return (count + P::kValues - 1) / P::kValues;
}

/// Places of the parts of AttentionArgs::scratch, in words of four bytes.
template <class P, int kRows, int kVectors>
struct AttentionScratch {
  static constexpr int kWidth = P::Vector::kWidth;
  static constexpr int kPanel = kVectors * kWidth;
  std::ptrdiff_t keys = 0;     // [key panels][head words][kPanel]: k transposed
  std::ptrdiff_t values = 0;   // [head_dim panels][block words][kPanel]
  std::ptrdiff_t scores = 0;   // [kRows][block keys rounded up to a panel]; then the same rows as words of P
  std::ptrdiff_t rows = 0;     // [kRows or kWidth][head words]: queries or keys on the way to words of P
  std::ptrdiff_t largest = 0;  // [num_q_heads * length]: largest score so far of each query
  std::ptrdiff_t total = 0;    // [num_q_heads * length]: sum of its exponentials
  // With relative positions:
  std::ptrdiff_t num_distances = 0;     // 2 * length - 1, and a vector more of the last one
  std::ptrdiff_t rows_of_distance = 0;  // [num_distances] integers: row of the position of distance i - j
  std::ptrdiff_t mirrored_rows = 0;     // likewise for j - i, counted from the last row
  std::ptrdiff_t positions = 0;         // [bucket panels][head words][kPanel], of keys or of queries
  std::ptrdiff_t by_query = 0;          // [kRows][bucket columns]: the last bucket first
  std::ptrdiff_t by_key = 0;            // [block keys][bucket columns]
  std::ptrdiff_t ld_buckets = 0;        // bucket columns: whole panels, and a vector lest all rows start in one set
  std::ptrdiff_t size = 0;

  explicit AttentionScratch(const AttentionSize& of) {
    const std::ptrdiff_t block = round_up(smaller(of.length, kKeyBlock), kPanel);
    const std::ptrdiff_t queries = round_up(of.num_q_heads * of.length, 16);
    const std::ptrdiff_t head_words = round_up(words_of<P>(of.head_dim), kWidth);
    values = keys + block * head_words;
    scores = values + words_of<P>(static_cast<int>(block)) * round_up(of.head_dim, kPanel);
    rows = scores + block * kRows;
    largest = rows + head_words * larger(kRows, kWidth);
    total = largest + queries;
    size = total + queries;
    if (of.num_buckets > 0) {
      ld_buckets = round_up(of.num_buckets, kPanel) + 16;
      num_distances = round_up(2 * of.length + 15, 16);
      rows_of_distance = size;
      mirrored_rows = rows_of_distance + num_distances;
      positions = mirrored_rows + num_distances;
      by_query = positions + ld_buckets * head_words;
      by_key = by_query + ld_buckets * kRows;
      size = by_key + ld_buckets * block;  // a row's last columns are followed by 16 floats that may be read
    }
  }
};

/// A head's part of some tokens or positions: [count, head_dim], row stride ld.
struct HeadRows {
  const float* data = nullptr;
  std::ptrdiff_t ld = 0;
  int count = 0;
  int head_dim = 0;
};

/// [count, head_dim] -> [panels][head words][kPanel], zeros beyond count. `rows` has room for kWidth rows of words.
template <class P, int kVectors>
void pack_transposed(const HeadRows& source, float* panels, float* rows) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const int num_words = words_of<P>(source.head_dim);
  for (int begin = 0; begin < round_up(source.count, kPanel); begin += V::kWidth) {
    float* panel = panels + static_cast<std::ptrdiff_t>(begin / kPanel) * kPanel * num_words + begin % kPanel;
    const int left = source.count - begin;
    const float* words = source.data + begin * source.ld;
    std::ptrdiff_t ld = source.ld;
    if constexpr (P::kValues > 1) {
      for (int i = 0; i < V::kWidth && i < left; ++i) {
        P::convert(source.data + (begin + i) * source.ld, source.head_dim, rows + i * num_words);
      }
      words = rows;
      ld = num_words;
    }
    for (int w = 0; w < num_words; w += V::kWidth) {
      const int width = smaller(num_words - w, V::kWidth);
      V block[V::kWidth];
      for (int i = 0; i < V::kWidth; ++i) {
        block[i] = i >= left            ? V::zero()
                   : width == V::kWidth ? V::load(words + i * ld + w)
                                        : V::load_partial(words + i * ld + w, width, V::zero());
      }
      V::transpose(block);
      for (int i = 0; i < width; ++i) {
        block[i].store(panel + (w + i) * kPanel);
      }
    }
  }
}

/// v[count, head_dim] -> [panels][words of count][kPanel], zeros beyond head_dim and count.
template <class P, int kVectors>
void pack_values(const HeadRows& v, float* values) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const int num_words = words_of<P>(v.count);
  const auto load = [&](int s, int d) {
    const int left = s < v.count ? v.head_dim - d : 0;
    const float* from = v.data + s * v.ld + d;
    return left >= V::kWidth ? V::load(from) : left > 0 ? V::load_partial(from, left, V::zero()) : V::zero();
  };
  for (int begin = 0; begin < v.head_dim; begin += kPanel) {
    float* panel = values + static_cast<std::ptrdiff_t>(begin) * num_words;
    for (int w = 0; w < num_words; ++w) {
      for (int d = 0; d < kPanel; d += V::kWidth) {
        float* out = panel + static_cast<std::ptrdiff_t>(w) * kPanel + d;
        V following[P::kValues];
        for (int i = 0; i < P::kValues; ++i) {
          following[i] = load(w * P::kValues + i, begin + d);
        }
        P::store_words(following, out);
      }
    }
  }
}

/// product.c = x times product.b, rows of x becoming words of P on the way.
/// \param words  room for kRows rows of words
template <class P, int kRows, int kVectors>
void multiply_rows(const HeadRows& x, GemmArgs product, float* words) {
  product.k_words = words_of<P>(x.head_dim);
  if constexpr (P::kValues == 1) {
    product.a = x.data;
    product.lda = x.ld;
    product.rows = x.count;
    gemm<P, kRows, kVectors>(product);
  } else {
    for (int begin = 0; begin < x.count; begin += kRows) {
      product.rows = smaller(x.count - begin, kRows);
      for (int r = 0; r < product.rows; ++r) {
        P::convert(x.data + (begin + r) * x.ld, x.head_dim, words + r * product.k_words);
      }
      product.a = words;
      product.lda = product.k_words;
      gemm<P, kRows, kVectors>(product);
      product.c += kRows * product.ldc;
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
