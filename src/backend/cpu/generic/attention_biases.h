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

/// Those of a tile's keys that each of its queries sees; places are counted from the block's first key on.
/// \param keys  [rows] written; empty ranges lie inside the tile too
inline void find_keys(const AttentionArgs& args, int query, int rows, int first, KeyRange tile, KeyRange* keys) {
  const auto keys_of = [&](KeyRange visible) {
    const int begin = smaller(larger(visible.begin - first, tile.begin), tile.end);
    return KeyRange{begin, larger(smaller(visible.end - first, tile.end), begin)};
  };
  // From one query to the next a window moves on or stays.
  const KeyRange visible = visible_keys(args, query, 1);
  const KeyRange last_visible = visible_keys(args, query + rows - 1, 1);
  const bool all_see_the_same = visible.begin == last_visible.begin && visible.end == last_visible.end;
  for (int r = 0; r < rows; ++r) {
    keys[r] = r == 0 || !all_see_the_same ? keys_of(visible_keys(args, query + r, 1)) : keys[0];
  }
}

/// Writes AttentionScratch::rows_of_distance and mirrored_rows.
template <class A, int kQueries, int kVectors>
void find_rows_of_distances(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at) {
  std::int32_t* rows = reinterpret_cast<std::int32_t*>(args.scratch + at.rows_of_distance);
  std::int32_t* mirrored = reinterpret_cast<std::int32_t*>(args.scratch + at.mirrored_rows);
  const int far = args.max_relative_distance;
  const auto row_of = [&](int distance) { return args.bucket_of_distance[smaller(larger(distance, -far), far) + far]; };
  for (int i = 0; i < static_cast<int>(at.num_distances); ++i) {
    const int distance = smaller(i, 2 * args.length - 2) - args.length + 1;
    rows[i] = row_of(distance);
    mirrored[i] = args.num_buckets - 1 - row_of(-distance);
  }
}

/// Relative scores of rows of x with positions in columns from `first` to `last`; others are left out where
/// whole panels are. c is [x.count, ld_buckets].
template <class A, int kQueries, int kVectors>
void compare_with_positions(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at,
                            const PackedPositions& positions, const TileRows<typename A::Scores, kQueries>& x,
                            int first, int last, float* c) {
  constexpr int kPanel = kVectors * A::Vector::kWidth;
  GemmArgs product;
  product.b = positions.words;
  product.column_scale = positions.scales;
  product.c = c;
  product.ldc = at.ld_buckets;
  product.n = round_up(args.num_buckets, kPanel);
  product.panel_begin = first / kPanel;
  product.panel_end = last / kPanel + 1;
  multiply_rows<A>(x, product);
}

/// Relative scores where queries and keys find them; either kind may be null.
struct RelativeScores {
  const float* by_query = nullptr;              // AttentionScratch::by_query of the tile's first query
  const float* by_key = nullptr;                // AttentionScratch::by_key of key 0
  std::ptrdiff_t ld = 0;                        // between queries, and between keys
  const std::int32_t* key_columns = nullptr;    // of by_key; entry d is for query - key = d
  const std::int32_t* query_columns = nullptr;  // of by_query, which is mirrored; entry d is for key - query = d
};

template <class A, int kQueries, int kVectors>
RelativeScores relative_scores(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at,
                               int first) {
  RelativeScores found;
  found.by_query = args.position_keys.words != nullptr ? args.scratch + at.by_query : nullptr;
  found.by_key = args.position_queries.words != nullptr ? args.scratch + at.by_key - first * at.ld_buckets : nullptr;
  found.ld = at.ld_buckets;
  found.key_columns = reinterpret_cast<const std::int32_t*>(args.scratch + at.rows_of_distance) + args.length - 1;
  found.query_columns = reinterpret_cast<const std::int32_t*>(args.scratch + at.mirrored_rows) + args.length - 1;
  return found;
}

/// What the keys [first, first + count) give at each distance to a query: AttentionScratch::by_key.
template <class A, int kQueries, int kVectors>
void compare_keys(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at, int first, int count) {
  if (args.position_queries.words == nullptr) {
    return;
  }
  const RelativeScores relative = relative_scores(args, at, first);
  // Key by key there are `length` distances, not all that two tokens can have.
  for (int begin = 0; begin < count; begin += kQueries) {
    const int key = first + begin;
    const HeadRows keys = {args.k + key * args.ldk, args.ldk, smaller(kQueries, count - begin), args.head_dim};
    compare_with_positions(args, at, args.position_queries,
                           TileRows<typename A::Scores, kQueries>(keys, args.scratch + at.rows),
                           relative.key_columns[1 - key - keys.count], relative.key_columns[args.length - 1 - key],
                           args.scratch + at.by_key + begin * at.ld_buckets);
  }
}

/// What the queries `rows`, from `query` on, give at the distances to keys [keys.begin, keys.end):
/// AttentionScratch::by_query.
template <class A, int kQueries, int kVectors>
void compare_tile(const AttentionArgs& args, const AttentionScratch<A, kQueries, kVectors>& at,
                  const TileRows<typename A::Scores, kQueries>& rows, int query, KeyRange keys) {
  if (args.position_keys.words != nullptr) {
    const RelativeScores relative = relative_scores(args, at, 0);
    compare_with_positions(args, at, args.position_keys, rows,
                           relative.query_columns[keys.begin - query - rows.count + 1],
                           relative.query_columns[keys.end - 1 - query], args.scratch + at.by_query);
  }
}

/// row[columns[i]] for each lane i. Columns ascend by one or stay, so the floats all lie in the vector from the first
/// on; where none stays (kEach), they are that vector.
template <class V, bool kEach>
inline __attribute__((always_inline)) V take_columns(const float* row, const std::int32_t* columns) {
  if constexpr (kEach) {
    return V::load(row + columns[0]);
  } else {
    return V::pick(row + columns[0], columns, columns[0]);
  }
}

/// Scores of a tile's queries with keys [key, key + count) become scale * score + relative score. The relative scores
/// of a query lie side by side in by_query, those of a key in by_key: these are turned.
/// \param scores  of the first query with key `key`, row stride ld; whole vectors are touched
template <class V, bool kEach>
void add_relative_block(const RelativeScores& relative, int query, int rows, int key, int count, float scale,
                        float* scores, std::ptrdiff_t ld) {
  for (int r = 0; r < rows; r += V::kWidth) {
    V from_keys[V::kWidth];
    for (int i = 0; i < V::kWidth; ++i) {
      from_keys[i] = relative.by_key == nullptr || i >= count
                         ? V::zero()
                         : take_columns<V, kEach>(relative.by_key + (key + i) * relative.ld,
                                                  relative.key_columns + query + r - key - i);
    }
    V::transpose(from_keys);
    for (int i = r; i < rows && i < r + V::kWidth; ++i) {
      const V from_query =
          relative.by_query != nullptr
              ? take_columns<V, kEach>(relative.by_query + i * relative.ld, relative.query_columns + key - query - i)
              : V::zero();
      V::fma(V::load(scores + i * ld), V::set1(scale), from_query + from_keys[i - r]).store(scores + i * ld);
    }
  }
}

/// Scores of a tile become scale * score + relative score: of `rows` queries from `query` on with keys
/// [keys.begin, keys.end).
/// \param scores  of the first query with key 0, row stride ld; whole vectors from keys.begin on are touched
template <class V>
void add_relative(const RelativeScores& relative, int query, int rows, KeyRange keys, float scale, float* scores,
                  std::ptrdiff_t ld) {
  for (int key = keys.begin; key < keys.end; key += V::kWidth) {
    const int count = smaller(keys.end - key, V::kWidth);
    const int least = query - key - count + 1;
    const int greatest = query + rows - 1 - key;
    if (relative.key_columns[greatest] - relative.key_columns[least] == greatest - least) {
      add_relative_block<V, true>(relative, query, rows, key, count, scale, scores + key, ld);
    } else {
      add_relative_block<V, false>(relative, query, rows, key, count, scale, scores + key, ld);
    }
  }
}

/// Scores of one query with keys [begin, end) become scale * score + what their distance adds.
/// \param scores  of key 0; only [begin, end) is touched
inline void add_biases(const AttentionArgs& args, int head, int query, KeyRange keys, float scale, float* scores) {
  for (int key = keys.begin; key < keys.end && scale != 1.0F; ++key) {
    scores[key] *= scale;
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
}

}  // namespace
}  // namespace mlxe::cpu::generic
