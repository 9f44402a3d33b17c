// Fused attention over one sequence, written once for every vector type.
#pragma once

#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

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

/// Scores to exponentials, in place: exp(scale (score - largest)). Returns their sum, which is NaN if a score is.
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
    p.store_partial(scores + s, count - s);
    sum = sum + p;
  }
  return sum.sum();
}

/// The largest of x; any number or NaN if there is a NaN.
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

/// Keys [begin, end) of a sequence.
struct KeyRange {
  int begin = 0;
  int end = 0;
};

inline constexpr int smaller(int a, int b) {
  return a < b ? a : b;
}
inline constexpr int larger(int a, int b) {
  return a > b ? a : b;
}

/// What the queries [query, query + rows) may attend to, all of them together.
inline KeyRange visible_keys(const AttentionArgs& args, int query, int rows) {
  // Windows may be as wide as an int holds, so nothing is added to them.
  const int begin = query > args.left_window ? query - args.left_window : 0;
  const int last = query + rows - 1;
  const int end = args.right_window < args.key_length - 1 - last ? last + args.right_window + 1 : args.key_length;
  return {begin, end};
}

/// Scores of one query with keys [begin, end) become scale * score + biases.
/// \param scores  of key 0; only [begin, end) is touched
inline void add_biases(const AttentionArgs& args, int head, int query, KeyRange keys, float* scores) {
  for (int key = keys.begin; key < keys.end; ++key) {
    scores[key] *= args.scale;
  }
  if (args.distance_bias != nullptr) {
    const float* bias = args.distance_bias + head * args.ld_distance_bias;
    const int far = args.max_distance;
    const int near_begin = larger(keys.begin, smaller(query - far, keys.end));
    const int near_end = smaller(keys.end, larger(query + far + 1, keys.begin));
    for (int key = keys.begin; key < near_begin; ++key) {
      scores[key] += bias[0];
    }
    for (int key = near_begin; key < near_end; ++key) {
      scores[key] += bias[key - query + far];
    }
    for (int key = larger(near_begin, near_end); key < keys.end; ++key) {
      scores[key] += bias[2 * far];
    }
  }
  if (args.bucket_of_distance != nullptr) {
    const int far = args.max_relative_distance;
    const std::ptrdiff_t column = static_cast<std::ptrdiff_t>(head) * args.num_buckets;
    const float* by_query = args.by_query != nullptr ? args.by_query + query * args.ld_by_query + column : nullptr;
    const float* by_key = args.by_key != nullptr ? args.by_key + column : nullptr;
    for (int key = keys.begin; key < keys.end; ++key) {
      const int bucket = args.bucket_of_distance[smaller(larger(query - key, -far), far) + far];
      float bias = by_query != nullptr ? by_query[bucket] : 0.0F;
      if (by_key != nullptr) {
        bias += by_key[key * args.ld_by_key + bucket];
      }
      scores[key] += bias;
    }
  }
}

/// Scores of one query with the keys of a tile to exponentials, in place; those that it may not see become zeros.
/// \param scores  of the tile's first key, args' first key being `first`
/// \returns the factor for what was summed before
template <class V>
float soften_row(const AttentionArgs& args, int head, int query, int first, KeyRange tile, float* scores,
                 float& largest, float& total) {
  const KeyRange seen = visible_keys(args, query, 1);
  const KeyRange keys = {larger(seen.begin - first, tile.begin), smaller(seen.end - first, tile.end)};
  if (keys.begin >= keys.end) {
    for (int key = tile.begin; key < tile.end; ++key) {
      scores[key] = 0.0F;
    }
    return 1.0F;
  }
  float scale = args.scale;
  if (args.biased) {
    add_biases(args, head, query, {keys.begin + first, keys.end + first}, scores - first);
    scale = 1.0F;
  }
  const float block_largest = largest_of<V>(scores + keys.begin, keys.end - keys.begin);
  const float now = block_largest > largest ? block_largest : largest;
  const float sum = exponentiate<V>(scores + keys.begin, keys.end - keys.begin, scale, now);
  for (int key = tile.begin; key < keys.begin; ++key) {
    scores[key] = 0.0F;
  }
  for (int key = keys.end; key < tile.end; ++key) {
    scores[key] = 0.0F;
  }
  float keep = 0.0F;
  if (total != 0.0F) {
    exp(V::set1(scale * (largest - now))).store_partial(&keep, 1);
  }
  total = total * keep + sum;
  largest = now;
  return keep;
}

/// `rows` queries of one head against one block of keys, with the online softmax in float32:
/// out holds the weighted sum so far and is rescaled when a larger score turns up.
template <class P, int kRows, int kVectors>
void attend_tile(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, int head, int query,
                 int rows, int first, int count) {
  using V = typename P::Vector;
  constexpr int kPanel = kVectors * V::kWidth;
  float* out = args.out + query * args.ldo + head * args.head_dim;
  const KeyRange seen = visible_keys(args, query, rows);
  if (seen.begin >= seen.end) {
    for (int r = 0; r < rows && first == 0; ++r) {
      for (int d = 0; d < args.head_dim; ++d) {
        out[r * args.ldo + d] = 0.0F;
      }
    }
    return;
  }
  if (seen.end <= first || seen.begin >= first + count) {
    return;
  }
  const bool is_first = seen.begin >= first;
  const bool is_last = seen.end <= first + count;
  // Whole panels of keys, of those that some query of the tile sees.
  const int panel_begin = larger(seen.begin - first, 0) / kPanel;
  const int panel_end = round_up(smaller(seen.end - first, count), kPanel) / kPanel;
  const KeyRange tile = {panel_begin * kPanel, smaller(panel_end * kPanel, count)};

  const std::ptrdiff_t ld_scores = round_up(count, kPanel);
  float* scores = args.scratch + at.scores;
  float* largest = args.scratch + at.largest + static_cast<std::ptrdiff_t>(head) * args.length + query;
  float* total = args.scratch + at.total + static_cast<std::ptrdiff_t>(head) * args.length + query;
  const float* q = args.q + query * args.ldq + head * args.head_dim;

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
  product.panel_begin = panel_begin;
  product.panel_end = panel_end;
  gemm<P, kRows, kVectors>(product);

  for (int r = 0; r < rows; ++r) {
    float* row = scores + r * ld_scores;
    const float keep = soften_row<V>(args, head, query + r, first, tile, row, largest[r], total[r]);
    if (!is_first && keep != 1.0F) {
      float* o = out + r * args.ldo;
      for (int d = 0; d < args.head_dim; ++d) {
        o[d] *= keep;
      }
    }
    if constexpr (P::kValues > 1) {
      // In place: words are written behind the values that are read.
      P::convert(row + tile.begin, tile.end - tile.begin, row + tile.begin);
    }
  }

  product.a = scores + tile.begin;
  product.lda = ld_scores;
  product.b = args.scratch + at.values + static_cast<std::ptrdiff_t>(tile.begin / P::kValues) * kPanel;
  product.panel_words = static_cast<std::ptrdiff_t>(words_of<P>(count)) * kPanel;
  product.c = out;
  product.ldc = args.ldo;
  product.n = args.head_dim;
  product.k_words = words_of<P>(tile.end - tile.begin);
  product.panel_begin = 0;
  product.panel_end = round_up(args.head_dim, kPanel) / kPanel;
  product.residual = is_first ? nullptr : out;
  product.ldr = args.ldo;
  gemm<P, kRows, kVectors>(product);

  if (is_last) {
    for (int r = 0; r < rows; ++r) {
      const float inverse = total[r] == 0.0F ? 0.0F : 1.0F / total[r];  // nothing seen: zeros
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
  for (int head = 0; head < args.num_q_heads; ++head) {
    float* largest = args.scratch + at.largest + static_cast<std::ptrdiff_t>(head) * args.length;
    float* total = args.scratch + at.total + static_cast<std::ptrdiff_t>(head) * args.length;
    for (int query = 0; query < args.length; ++query) {
      largest[query] = args.sinks != nullptr ? args.sinks[head] : kMinusInfinity;
      total[query] = args.sinks != nullptr ? 1.0F : 0.0F;
    }
  }
  // Without keys one round fills in the zeros.
  for (int first = 0; first == 0 || first < args.key_length; first += kKeyBlock) {
    const int count = args.key_length - first < kKeyBlock ? args.key_length - first : kKeyBlock;
    pack_keys<P, kVectors>(args, first, count, args.scratch + at.keys, args.scratch + at.rows);
    pack_values<P, kVectors>(args, first, count, args.scratch + at.values);
    for (int head = 0; head < args.num_q_heads; ++head) {
      for (int query = 0; query < args.length; query += kRows) {
        const int rows = args.length - query < kRows ? args.length - query : kRows;
        attend_tile<P, kRows, kVectors>(args, at, head, query, rows, first, count);
      }
    }
  }
}

template <class P, int kRows, int kVectors>
std::size_t attention_scratch_floats(int length, int head_dim, int num_q_heads) {
  return static_cast<std::size_t>(AttentionScratch<P, kRows, kVectors>(length, head_dim, num_q_heads).size);
}

}  // namespace
}  // namespace mlxe::cpu::generic
