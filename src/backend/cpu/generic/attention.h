// Fused attention over one sequence, written once for every vector type.
#pragma once

#include "backend/cpu/generic/attention_biases.h"
#include "backend/cpu/generic/attention_packing.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

constexpr float kMinusInfinity = -__builtin_inff();

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

/// Scores of one query with the keys of a tile to exponentials, in place; those that it may not see become zeros.
/// \param scores  of the tile's first key, args' first key being `first`
/// \returns the factor for what was summed before
template <class V>
float soften_row(const AttentionArgs& args, const RelativeRow& relative, int head, int query, int first, KeyRange tile,
                 float* scores, float& largest, float& total) {
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
    add_biases(args, relative, head, query, {keys.begin + first, keys.end + first}, scores - first);
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
  product.b = args.scratch + at.keys;
  product.c = scores;
  product.ldc = ld_scores;
  product.n = static_cast<int>(ld_scores);
  product.panel_begin = panel_begin;
  product.panel_end = panel_end;
  multiply_rows<P, kRows, kVectors>({q, args.ldq, rows, args.head_dim}, product, args.scratch + at.rows);

  RelativeRow relative;
  if (args.bucket_of_distance != nullptr) {
    compare_tile(args, at, head, query, rows, {first + tile.begin, first + tile.end});
    relative = relative_row(args, at, first);
  }
  for (int r = 0; r < rows; ++r) {
    float* row = scores + r * ld_scores;
    const float keep = soften_row<V>(args, relative, head, query + r, first, tile, row, largest[r], total[r]);
    if (relative.by_query != nullptr) {
      relative.by_query += at.ld_buckets;
    }
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
  product.rows = rows;
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
  const AttentionScratch<P, kRows, kVectors> at({args.length, args.head_dim, args.num_q_heads, args.num_buckets});
  for (int head = 0; head < args.num_q_heads; ++head) {
    float* largest = args.scratch + at.largest + static_cast<std::ptrdiff_t>(head) * args.length;
    float* total = args.scratch + at.total + static_cast<std::ptrdiff_t>(head) * args.length;
    for (int query = 0; query < args.length; ++query) {
      largest[query] = args.sinks != nullptr ? args.sinks[head] : kMinusInfinity;
      total[query] = args.sinks != nullptr ? 1.0F : 0.0F;
    }
  }
  if (args.bucket_of_distance != nullptr) {
    find_rows_of_distances(args, at);
  }
  // Without keys one round fills in the zeros.
  for (int first = 0; first == 0 || first < args.key_length; first += kKeyBlock) {
    const int count = smaller(args.key_length - first, kKeyBlock);
    pack_transposed<P, kVectors>({args.k + first * args.ldk, args.ldk, count, args.head_dim}, args.scratch + at.keys,
                                 args.scratch + at.rows);
    pack_values<P, kVectors>({args.v + first * args.ldv, args.ldv, count, args.head_dim}, args.scratch + at.values);
    for (int head = 0; head < args.num_q_heads; ++head) {
      if (args.bucket_of_distance != nullptr) {
        compare_keys(args, at, head, first, count);
      }
      for (int query = 0; query < args.length; query += kRows) {
        const int rows = smaller(args.length - query, kRows);
        attend_tile<P, kRows, kVectors>(args, at, head, query, rows, first, count);
      }
    }
  }
}

template <class P, int kRows, int kVectors>
std::size_t attention_scratch_floats(const AttentionSize& size) {
  return static_cast<std::size_t>(AttentionScratch<P, kRows, kVectors>(size).size);
}

}  // namespace
}  // namespace mlxe::cpu::generic
