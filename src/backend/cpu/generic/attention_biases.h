// Who sees whom in attention, and what biases and relative positions add to a score.
#pragma once

#include "backend/cpu/generic/attention_packing.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// Keys [begin, end) of a sequence.
struct KeyRange {
  int begin = 0;
  int end = 0;
};

/// What the queries [query, query + rows) may attend to, all of them together.
inline KeyRange visible_keys(const AttentionArgs& args, int query, int rows) {
  // Windows may be as wide as an int holds, so nothing is added to them.
  const int begin = query > args.left_window ? query - args.left_window : 0;
  const int last = query + rows - 1;
  const int end = args.right_window < args.key_length - 1 - last ? last + args.right_window + 1 : args.key_length;
  return {begin, end};
}

/// Writes AttentionScratch::rows_of_distance.
template <class P, int kRows, int kVectors>
void find_rows_of_distances(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at) {
  std::int32_t* rows = reinterpret_cast<std::int32_t*>(args.scratch + at.rows_of_distance);
  const int far = args.max_relative_distance;
  for (int distance = 1 - args.length; distance < args.length; ++distance) {
    const int clamped = smaller(larger(distance, -far), far);
    rows[distance + args.length - 1] = args.bucket_of_distance[clamped + far] - args.first_bucket;
  }
}

/// Relative scores of rows of x with the packed positions of all distances from `least` to `greatest`; others are left
/// out where whole panels are. c is [x.count, ld_buckets].
template <class P, int kRows, int kVectors>
void compare_with_positions(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at,
                            const HeadRows& x, int least, int greatest, float* c) {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  const std::int32_t* rows =
      reinterpret_cast<const std::int32_t*>(args.scratch + at.rows_of_distance) + args.length - 1;
  GemmArgs product;
  product.b = args.scratch + at.positions;
  product.c = c;
  product.ldc = at.ld_buckets;
  product.n = static_cast<int>(at.ld_buckets);
  product.panel_begin = rows[least] / kPanel;
  product.panel_end = rows[greatest] / kPanel + 1;
  multiply_rows<P, kRows, kVectors>(x, product, args.scratch + at.rows);
}

/// A head's positions in panels: AttentionScratch::positions.
template <class P, int kRows, int kVectors>
void pack_positions(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, const float* positions,
                    std::ptrdiff_t ld, int head) {
  const HeadRows rows = {positions + head * args.head_dim, ld, args.num_buckets, args.head_dim};
  pack_transposed<P, kVectors>(rows, args.scratch + at.positions, args.scratch + at.rows);
}

/// What the keys [first, first + count) give at each distance (AttentionScratch::by_key); then positions are packed for
/// compare_tile.
template <class P, int kRows, int kVectors>
void compare_keys(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, int head, int first,
                  int count) {
  if (args.position_queries != nullptr && count > 0) {
    pack_positions(args, at, args.position_queries, args.ld_position_queries, head);
    const HeadRows keys = {args.k + first * args.ldk, args.ldk, count, args.head_dim};
    compare_with_positions(args, at, keys, 1 - first - count, args.length - 1 - first, args.scratch + at.by_key);
  }
  if (args.position_keys != nullptr) {
    pack_positions(args, at, args.position_keys, args.ld_position_keys, head);
  }
}

/// What `rows` queries from `query` on give at the distances to keys [keys.begin, keys.end):
/// AttentionScratch::by_query.
template <class P, int kRows, int kVectors>
void compare_tile(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, int head, int query,
                  int rows, KeyRange keys) {
  if (args.position_keys != nullptr) {
    const HeadRows queries = {args.q + query * args.ldq + head * args.head_dim, args.ldq, rows, args.head_dim};
    compare_with_positions(args, at, queries, query - keys.end + 1, query + rows - 1 - keys.begin,
                           args.scratch + at.by_query);
  }
}

/// Relative scores as one query finds them; either may be null.
struct RelativeRow {
  const float* by_query = nullptr;  // [bucket columns]
  const float* by_key = nullptr;    // of key 0: [bucket columns], row stride ld
  std::ptrdiff_t ld = 0;
  const std::int32_t* rows_of_distance = nullptr;  // of distance 0
};

/// That of the first query of a tile, after compare_keys and compare_tile.
template <class P, int kRows, int kVectors>
RelativeRow relative_row(const AttentionArgs& args, const AttentionScratch<P, kRows, kVectors>& at, int first) {
  RelativeRow row;
  row.by_query = args.position_keys != nullptr ? args.scratch + at.by_query : nullptr;
  row.by_key = args.position_queries != nullptr ? args.scratch + at.by_key - first * at.ld_buckets : nullptr;
  row.ld = at.ld_buckets;
  row.rows_of_distance = reinterpret_cast<const std::int32_t*>(args.scratch + at.rows_of_distance) + args.length - 1;
  return row;
}

inline void add_relative(const RelativeRow& relative, int query, KeyRange keys, float* scores) {
  const std::int32_t* rows = relative.rows_of_distance + query;
  if (relative.by_query != nullptr && relative.by_key != nullptr) {
    for (int key = keys.begin; key < keys.end; ++key) {
      const std::int32_t row = rows[-key];
      scores[key] += relative.by_query[row] + relative.by_key[key * relative.ld + row];
    }
  } else if (relative.by_query != nullptr) {
    for (int key = keys.begin; key < keys.end; ++key) {
      scores[key] += relative.by_query[rows[-key]];
    }
  } else if (relative.by_key != nullptr) {
    for (int key = keys.begin; key < keys.end; ++key) {
      scores[key] += relative.by_key[key * relative.ld + rows[-key]];
    }
  }
}

/// Scores of one query with keys [begin, end) become scale * score + biases.
/// \param scores  of key 0; only [begin, end) is touched
inline void add_biases(const AttentionArgs& args, const RelativeRow& relative, int head, int query, KeyRange keys,
                       float* scores) {
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
  add_relative(relative, query, keys, scores);
}

}  // namespace
}  // namespace mlxe::cpu::generic
