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

/// Words that hold `count` values, in whole steps of a product.
template <class P>
constexpr int words_of(int count) {
  return padded_values<P>(count) / P::kValues;
}

/// A row of values to words, zeros after them.
/// \returns what P::convert does
template <class P>
inline __attribute__((always_inline)) float convert_row(const float* x, int count, float* words) {
  const float scale = P::convert(x, count, words);
  for (int word = (count + P::kValues - 1) / P::kValues; word < words_of<P>(count); ++word) {
    words[word] = 0.0F;
  }
  return scale;
}

/// What products need while an attention lasts: mostly nothing.
struct NoSetup {};

/// The products of attention: of queries with keys and positions, and of weights with values.
/// \tparam kMultiplyScores  may write whole tiles of rows of c, and read such of a, however few rows are asked for
/// \tparam kMultiplyValues  may read whole tiles of rows of a; activation and bias are none
template <class ScoreProduct, class ValueProduct, auto kMultiplyScores, auto kMultiplyValues, class SetupType = NoSetup>
struct AttentionProducts {
  using Scores = ScoreProduct;
  using Values = ValueProduct;
  using Vector = typename ValueProduct::Vector;
  using Setup = SetupType;
  static void multiply_scores(const GemmArgs& args) { kMultiplyScores(args); }
  static void multiply_values(const GemmArgs& args) { kMultiplyValues(args); }
};

/// Places of the parts of AttentionArgs::scratch, in words of four bytes.
/// \tparam A         AttentionProducts
/// \tparam kQueries  queries that are taken together, in one or more tiles
template <class A, int kQueries, int kVectors>
struct AttentionScratch {
  static constexpr int kWidth = A::Vector::kWidth;
  static constexpr int kPanel = kVectors * kWidth;
  std::ptrdiff_t keys = 0;    // [key panels][head words][kPanel]: k transposed
  std::ptrdiff_t values = 0;  // [head_dim panels][block words][kPanel]
  std::ptrdiff_t scores = 0;  // [kQueries][block keys rounded up to a panel]; then the same rows as words of Values
  std::ptrdiff_t rows = 0;    // [kQueries or kWidth][head words or head_dim]: queries or keys, to be words of Scores
  std::ptrdiff_t key_scales = 0;  // [block keys] where Scores is scaled
  std::ptrdiff_t largest = 0;     // [num_q_heads * length]: largest score so far of each query
  std::ptrdiff_t total = 0;       // [num_q_heads * length]: sum of its exponentials
  // With relative positions:
  std::ptrdiff_t num_distances = 0;     // 2 * length - 1, and a vector more of the last one
  std::ptrdiff_t rows_of_distance = 0;  // [num_distances] integers: row of the position of distance i - j
  std::ptrdiff_t mirrored_rows = 0;     // likewise for j - i, counted from the last row
  std::ptrdiff_t by_query = 0;          // [kQueries][bucket columns]: the last bucket first
  std::ptrdiff_t by_key = 0;            // [block keys][bucket columns]
  std::ptrdiff_t ld_buckets = 0;        // bucket columns: whole panels, and a vector lest all rows start in one set
  std::ptrdiff_t size = 0;

  explicit AttentionScratch(const AttentionSize& of) {
    const std::ptrdiff_t block = round_up(smaller(of.length, kKeyBlock), kPanel);
    const std::ptrdiff_t queries = round_up(of.num_q_heads * of.length, 16);
    const std::ptrdiff_t head_words = round_up(words_of<typename A::Scores>(of.head_dim), kWidth);
    values = keys + block * head_words;
    scores = values + words_of<typename A::Values>(static_cast<int>(block)) * round_up(of.head_dim, kPanel);
    rows = scores + block * kQueries;
    const std::ptrdiff_t row_words = A::Scores::kScaled ? round_up(of.head_dim, kWidth) : head_words;
    key_scales = rows + row_words * larger(kQueries, kWidth);
    largest = key_scales + (A::Scores::kScaled ? block : 0);
    total = largest + queries;
    size = total + queries;
    if (of.num_buckets > 0) {
      ld_buckets = round_up(of.num_buckets, kPanel) + 16;
      num_distances = round_up(2 * of.length + 15, 16);
      rows_of_distance = size;
      mirrored_rows = rows_of_distance + num_distances;
      by_query = mirrored_rows + num_distances;
      by_key = by_query + ld_buckets * kQueries;
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

/// Rows [begin, begin + kWidth) of values or words to columns, zeros beyond `count` rows.
/// \param put  put(i, column) takes column i
template <class V, class F>
inline __attribute__((always_inline)) void transpose_rows(const float* rows, std::ptrdiff_t ld, int count, int width,
                                                          const F& put) {
  for (int w = 0; w < width; w += V::kWidth) {
    const int left = smaller(width - w, V::kWidth);
    V block[V::kWidth];
    for (int i = 0; i < V::kWidth; ++i) {
      block[i] = i >= count          ? V::zero()
                 : left == V::kWidth ? V::load(rows + i * ld + w)
                                     : V::load_partial(rows + i * ld + w, left, V::zero());
    }
    V::transpose(block);
    for (int i = 0; i < left; ++i) {
      put(w + i, block[i]);
    }
  }
}

/// As pack_transposed, of scaled products: a scale for each row.
template <class P, int kVectors>
void pack_in_steps(const HeadRows& source, float* panels, float* columns, float* scales) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const int num_words = words_of<P>(source.head_dim);
  for (int begin = 0; begin < round_up(source.count, kPanel); begin += V::kWidth) {
    V largest = V::zero();
    transpose_rows<V>(source.data + begin * source.ld, source.ld, source.count - begin, source.head_dim,
                      [&](int i, V column) {
                        largest = V::max_magnitude(largest, column);
                        column.store(columns + i * V::kWidth);
                      });
    const V steps = P::steps(largest, source.head_dim);
    steps.store(scales + begin);
    const V inverse = V::set1(1.0F) / steps;
    const auto value = [&](int i) {
      return i < source.head_dim ? V::load(columns + i * V::kWidth) * inverse : V::zero();
    };
    float* panel = panels + static_cast<std::ptrdiff_t>(begin / kPanel) * kPanel * num_words + begin % kPanel;
    for (int w = 0; w < num_words; ++w) {
      P::store_words({value(2 * w), value(2 * w + 1)}, panel + w * kPanel);
    }
  }
}

/// [count, head_dim] -> [panels][head words][kPanel], zeros beyond count.
/// \param rows    room for kWidth rows of words; of scaled products, of values
/// \param scales  of scaled products: those of the rows are written, in whole panels
template <class P, int kVectors>
void pack_transposed(const HeadRows& source, float* panels, float* rows, [[maybe_unused]] float* scales) {
  if constexpr (P::kScaled) {
    return pack_in_steps<P, kVectors>(source, panels, rows, scales);
  }
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
        convert_row<P>(source.data + (begin + i) * source.ld, source.head_dim, rows + i * num_words);
      }
      words = rows;
      ld = num_words;
    }
    transpose_rows<V>(words, ld, left, num_words, [&](int i, V column) { column.store(panel + i * kPanel); });
  }
}

template <class P, int kVectors>
std::size_t position_words(int count, int head_dim) {
  return static_cast<std::size_t>(round_up(count, kVectors * P::Vector::kWidth)) *
         static_cast<std::size_t>(words_of<P>(head_dim));
}

template <class P, int kVectors>
void pack_positions(const float* rows, std::ptrdiff_t ld, int count, int head_dim, float* words, float* scales,
                    float* room) {
  pack_transposed<P, kVectors>({rows, ld, count, head_dim}, words, room, scales);
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

/// A head's part of at most kRows tokens, in words of P.
template <class P, int kRows>
struct TileRows {
  const float* words = nullptr;
  std::ptrdiff_t ld = 0;
  int count = 0;
  int k_words = 0;
  float scales[kRows];

  /// \param room  for kRows rows of words
  TileRows(const HeadRows& x, float* room) : words(x.data), ld(x.ld), count(x.count), k_words(words_of<P>(x.head_dim)) {
    if constexpr (P::kValues > 1) {
      words = room;
      ld = k_words;
      for (int r = 0; r < count; ++r) {
        scales[r] = convert_row<P>(x.data + r * x.ld, x.head_dim, room + r * ld);
      }
    }
  }
};

/// product.c = rows times product.b
template <class A, int kRows>
void multiply_rows(const TileRows<typename A::Scores, kRows>& rows, GemmArgs product) {
  product.a = rows.words;
  product.lda = rows.ld;
  product.rows = rows.count;
  product.k_words = rows.k_words;
  product.row_scale = rows.scales;
  A::multiply_scores(product);
}

}  // namespace
}  // namespace mlxe::cpu::generic
