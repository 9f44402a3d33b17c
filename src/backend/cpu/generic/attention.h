// Fused attention over one sequence, written once for every vector type.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {

constexpr int kKeyBlock = 512;  // keys packed at a time: 64 KB each of k and v at head_dim 32; no S x S buffer
constexpr float kMinusInfinity = -__builtin_inff();

inline constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
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
  std::ptrdiff_t size = 0;

  AttentionScratch(int length, int head_dim, int num_q_heads) {
    const std::ptrdiff_t block = round_up(length < kKeyBlock ? length : kKeyBlock, kPanel);
    const int head_words = round_up(words_of<P>(head_dim), kWidth);
    values = keys + block * head_words;
    scores = values + words_of<P>(static_cast<int>(block)) * round_up(head_dim, kPanel);
    rows = scores + block * kRows;
    largest = rows + head_words * (kRows > kWidth ? kRows : kWidth);
    total = largest + round_up(num_q_heads * length, 16);
    size = total + round_up(num_q_heads * length, 16);
  }
};

/// k[count, head_dim] -> [panels][head words][kPanel], zeros beyond count. `rows` has room for kWidth rows of words.
template <class P, int kVectors>
void pack_keys(const AttentionArgs& args, int first, int count, float* keys, float* rows) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const int num_words = words_of<P>(args.head_dim);
  for (int begin = 0; begin < round_up(count, kPanel); begin += V::kWidth) {
    float* panel = keys + static_cast<std::ptrdiff_t>(begin / kPanel) * kPanel * num_words + begin % kPanel;
    const int left = count - begin;
    const float* words = args.k + (first + begin) * args.ldk;
    std::ptrdiff_t ld = args.ldk;
    if constexpr (P::kValues > 1) {
      for (int i = 0; i < V::kWidth && i < left; ++i) {
        P::convert(args.k + (first + begin + i) * args.ldk, args.head_dim, rows + i * num_words);
      }
      words = rows;
      ld = num_words;
    }
    for (int w = 0; w < num_words; w += V::kWidth) {
      const int width = num_words - w < V::kWidth ? num_words - w : V::kWidth;
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
void pack_values(const AttentionArgs& args, int first, int count, float* values) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const int num_words = words_of<P>(count);
  const auto load = [&](int s, int d) {
    const int left = s < count ? args.head_dim - d : 0;
    const float* v = args.v + (first + s) * args.ldv + d;
    return left >= V::kWidth ? V::load(v) : left > 0 ? V::load_partial(v, left, V::zero()) : V::zero();
  };
  for (int begin = 0; begin < args.head_dim; begin += kPanel) {
    float* panel = values + static_cast<std::ptrdiff_t>(begin) * num_words;
    for (int w = 0; w < num_words; ++w) {
      for (int d = 0; d < kPanel; d += V::kWidth) {
        float* out = panel + static_cast<std::ptrdiff_t>(w) * kPanel + d;
        if constexpr (P::kValues == 1) {
          load(w, begin + d).store(out);
        } else {
          P::store_pairs(load(2 * w, begin + d), load(2 * w + 1, begin + d), out);
        }
      }
    }
  }
}

/// Scores to exponentials, in place: exp(scale (score - largest)). Returns their sum.
template <class V>
float exponentiate(float* scores, int count, float scale, float largest) {
  const V factor = V::set1(scale);
  const V offset = V::set1(-scale * largest);
  V sum = V::zero();
  int s = 0;
  for (; s + V::kWidth <= count; s += V::kWidth) {
    const V p = exp(V::fma(V::load(scores + s), factor, offset));
    p.store(scores + s);
    sum = sum + p;
  }
  if (s < count) {
    const V p = exp(V::fma(V::load_partial(scores + s, count - s, V::zero()), factor, offset)).first(count - s);
    p.store(scores + s);  // rows are whole panels long
    sum = sum + p;
  }
  return sum.sum();
}

template <class V>
float largest_of(const float* x, int count) {
  V best = V::set1(kMinusInfinity);
  int i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    best = V::max(best, V::load(x + i));
  }
  if (i < count) {
    best = V::max(best, V::load_partial(x + i, count - i, best));
  }
  return best.largest();
}

/// `rows` queries of one head against one block of keys, with the online softmax in float32:
/// out holds the weighted sum so far and is rescaled when a larger score turns up.
template <class P, int kRows, int kVectors>
void attend_tile(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, int head, int query,
                 int rows, int count, bool first_block, bool last_block) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  const std::ptrdiff_t ld_scores = round_up(count, kPanel);
  float* scores = args.scratch + at.scores;
  float* largest = args.scratch + at.largest + static_cast<std::ptrdiff_t>(head) * args.length + query;
  float* total = args.scratch + at.total + static_cast<std::ptrdiff_t>(head) * args.length + query;
  const float* q = args.q + query * args.ldq + head * args.head_dim;
  float* out = args.out + query * args.ldo + head * args.head_dim;

  GemmArgs product;
  product.a = q;
  product.lda = args.ldq;
  product.k_words = words_of<P>(args.head_dim);
  if constexpr (P::kValues > 1) {
    float* words = args.scratch + at.rows;
    for (int r = 0; r < rows; ++r) {
      P::convert(q + r * args.ldq, args.head_dim, words + r * product.k_words);
    }
    product.a = words;
    product.lda = product.k_words;
  }
  product.b = args.scratch + at.keys;
  product.c = scores;
  product.ldc = ld_scores;
  product.rows = rows;
  product.n = static_cast<int>(ld_scores);
  product.panel_end = static_cast<int>(ld_scores) / kPanel;
  gemm<P, kRows, kVectors>(product);

  for (int r = 0; r < rows; ++r) {
    float* row = scores + r * ld_scores;
    const float block_largest = largest_of<V>(row, count);
    const float now = first_block || block_largest > largest[r] ? block_largest : largest[r];
    const float sum = exponentiate<V>(row, count, args.scale, now);
    float keep = 0.0F;
    if (!first_block) {
      exp(V::set1(args.scale * (largest[r] - now))).store_partial(&keep, 1);
      float* o = out + r * args.ldo;
      for (int d = 0; d < args.head_dim; ++d) {
        o[d] *= keep;
      }
    }
    total[r] = first_block ? sum : total[r] * keep + sum;
    largest[r] = now;
    if constexpr (P::kValues > 1) {
      P::convert(row, count, row);  // in place: words are written behind the values that are read
    }
  }

  product.a = scores;
  product.lda = ld_scores;
  product.b = args.scratch + at.values;
  product.c = out;
  product.ldc = args.ldo;
  product.n = args.head_dim;
  product.k_words = words_of<P>(count);
  product.panel_end = round_up(args.head_dim, kPanel) / kPanel;
  product.residual = first_block ? nullptr : out;
  product.ldr = args.ldo;
  gemm<P, kRows, kVectors>(product);

  if (last_block) {
    for (int r = 0; r < rows; ++r) {
      const float inverse = 1.0F / total[r];
      float* o = out + r * args.ldo;
      for (int d = 0; d < args.head_dim; ++d) {
        o[d] *= inverse;
      }
    }
  }
}

template <class P, int kRows, int kVectors>
void attention(const AttentionArgs& args) {
  const AttentionScratch<P, kRows, kVectors> at(args.length, args.head_dim, args.num_q_heads);
  for (int first = 0; first < args.length; first += kKeyBlock) {
    const int count = args.length - first < kKeyBlock ? args.length - first : kKeyBlock;
    pack_keys<P, kVectors>(args, first, count, args.scratch + at.keys, args.scratch + at.rows);
    pack_values<P, kVectors>(args, first, count, args.scratch + at.values);
    for (int head = 0; head < args.num_q_heads; ++head) {
      for (int query = 0; query < args.length; query += kRows) {
        const int rows = args.length - query < kRows ? args.length - query : kRows;
        attend_tile<P, kRows, kVectors>(args, at, head, query, rows, count, first == 0, first + count == args.length);
      }
    }
  }
}

template <class P, int kRows, int kVectors>
std::size_t attention_scratch_floats(int length, int head_dim, int num_q_heads) {
  return static_cast<std::size_t>(AttentionScratch<P, kRows, kVectors>(length, head_dim, num_q_heads).size);
}

}  // namespace mlxe::cpu::generic
