// Fused attention over one sequence, written once for every vector type.
#pragma once

#include "backend/cpu/generic/attention_packing.h"
#include "backend/cpu/generic/attention_softmax.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// `rows` queries of one head against one block of keys, with the online softmax in float32:
/// out holds the weighted sum so far and is rescaled when a larger score turns up.
template <class A, int kQueries, int kVectors>
void attend_tile(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at, int head, int query,
                 int rows, int first, int count) {
  using V = typename A::Vector;
  using Values = typename A::Values;
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
  product.column_scale = args.scratch + at.key_scales;
  product.c = scores;
  product.ldc = ld_scores;
  product.n = static_cast<int>(ld_scores);
  product.panel_begin = panel_begin;
  product.panel_end = panel_end;
  const TileRows<typename A::Scores, kQueries> queries({q, args.ldq, rows, args.head_dim}, args.scratch + at.rows);
  multiply_rows<A>(queries, product);

  if (args.bucket_of_distance != nullptr) {
    const KeyRange compared = {first + tile.begin, first + tile.end};
    compare_tile(args, at, queries, query, compared);
    add_relative<V>(relative_scores(args, at, first), query, rows, compared, args.scale, scores - first, ld_scores);
  }
  const float left_scale = args.bucket_of_distance != nullptr ? 1.0F : args.scale;
  KeyRange keys[kQueries];
  find_keys(args, query, rows, first, tile, keys);
  for (int r = 0; r < rows && args.biased; ++r) {
    add_biases(args, head, query + r, {keys[r].begin + first, keys[r].end + first}, left_scale,
               scores + r * ld_scores - first);
  }
  float keep[kQueries];
  soften_tile<Values, kQueries>(scores, ld_scores, rows, keys, tile, args.biased ? 1.0F : args.scale, largest, total,
                                keep);
  for (int r = 0; r < rows && !is_first; ++r) {
    if (keep[r] != 1.0F) {
      scale_row<V>(out + r * args.ldo, args.head_dim, keep[r]);
    }
  }

  product.a = scores + tile.begin;
  product.rows = rows;
  product.lda = ld_scores;
  product.b = args.scratch + at.values + static_cast<std::ptrdiff_t>(tile.begin / Values::kValues) * kPanel;
  product.panel_words = static_cast<std::ptrdiff_t>(words_of<Values>(count)) * kPanel;
  product.c = out;
  product.ldc = args.ldo;
  product.n = args.head_dim;
  product.k_words = words_of<Values>(tile.end - tile.begin);
  product.panel_begin = 0;
  product.panel_end = round_up(args.head_dim, kPanel) / kPanel;
  product.residual = is_first ? nullptr : out;
  product.ldr = args.ldo;
  A::multiply_values(product);

  if (is_last) {
    for (int r = 0; r < rows; ++r) {
      // Nothing seen: zeros.
      scale_row<V>(out + r * args.ldo, args.head_dim, total[r] == 0.0F ? 0.0F : 1.0F / total[r]);
    }
  }
}

/// \tparam kFewer  queries that are taken together where each sees other keys, as each meets those of all
template <class A, int kQueries, int kFewer, int kVectors>
void attention(const AttentionArgs& args) {
  const bool see_alike =
      args.left_window == AttentionSpec::kUnlimited && args.right_window == AttentionSpec::kUnlimited;
  const int at_once = see_alike ? kQueries : kFewer;
  [[maybe_unused]] const typename A::Setup setup;
  const AttentionScratch<A, kQueries, kVectors> at({args.length, args.head_dim, args.num_q_heads, args.num_buckets});
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
    pack_transposed<typename A::Scores, kVectors>({args.k + first * args.ldk, args.ldk, count, args.head_dim},
                                                  args.scratch + at.keys, args.scratch + at.rows,
                                                  args.scratch + at.key_scales);
    pack_values<typename A::Values, kVectors>({args.v + first * args.ldv, args.ldv, count, args.head_dim},
                                              args.scratch + at.values);
    for (int head = 0; head < args.num_q_heads; ++head) {
      if (args.bucket_of_distance != nullptr) {
        compare_keys(args, at, first, count);
      }
      for (int query = args.query_begin; query < args.query_end; query += at_once) {
        const int rows = smaller(args.query_end - query, at_once);
        attend_tile<A, kQueries, kVectors>(args, at, head, query, rows, first, count);
      }
    }
  }
}

template <class A, int kQueries, int kVectors>
std::size_t attention_scratch_floats(const AttentionSize& size) {
  return static_cast<std::size_t>(AttentionScratch<A, kQueries, kVectors>(size).size);
}

}  // namespace
}  // namespace mlxe::cpu::generic
