// Tests of attention's windows, biases, sinks and hidden keys for every backend; included by ops_suite.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/ops_suite_attention.h"

namespace mlxe::testing {

/// Rows that end inside, at and beyond the blocks and tiles of any kernel.
inline PackedBatch mask_batch() {
  return rows_of_length({1, 7, 65, 0, 130, 600});
}

TEST_P(OpsSuite, AttentionInsideAWindow) {
  const PackedBatch batch = mask_batch();
  const FusedQkv qkv = fused_qkv(batch.num_tokens(), 32, 16, 21);
  constexpr int kAll = AttentionSpec::kUnlimited;
  for (const auto& [left, right] : {std::pair{kAll, 0}, {5, 5}, {64, 64}, {3, 0}, {0, 0}, {kAll, 2}, {2, kAll}}) {
    const AttentionSpec spec = {
        .num_heads = 2, .num_kv_heads = 1, .head_dim = 16, .scale = 0.25F, .left_window = left, .right_window = right};
    with_ops([&](Ops& ops) {
      expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                     reference_attention(qkv.q, qkv.k, qkv.v, batch, spec), fmt::format("window {} {}", left, right));
    });
  }
}

TEST_P(OpsSuite, AttentionNeverSeesHiddenKeys) {
  PackedBatch batch = rows_of_length({7, 40, 5, 600});
  batch.key_lengths = {3, 40, 0, 20};
  FusedQkv qkv = fused_qkv(batch.num_tokens(), 16, 16, 22);
  for (const int window : {AttentionSpec::kUnlimited, 4}) {  // with a window some tokens see nothing: zeros
    const AttentionSpec spec = {
        .num_heads = 2, .num_kv_heads = 2, .head_dim = 8, .scale = 0.5F, .left_window = window, .right_window = window};
    with_ops([&](Ops& ops) {
      expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                     reference_attention(qkv.q, qkv.k, qkv.v, batch, spec), fmt::format("window {}", window));
    });
  }
}

TEST_P(OpsSuite, AttentionAddsDistanceBiases) {
  const PackedBatch batch = mask_batch();
  const FusedQkv qkv = fused_qkv(batch.num_tokens(), 32, 16, 23);
  for (const int far : {0, 9, 700}) {
    const DistanceBias bias = {.max_distance = far, .values = noise(4, 2 * far + 1, 24, 2.0F).values};
    for (const int window : {AttentionSpec::kUnlimited, 30}) {
      const AttentionSpec spec = {.num_heads = 4,
                                  .num_kv_heads = 2,
                                  .head_dim = 8,
                                  .scale = 0.35F,
                                  .left_window = window,
                                  .distance_bias = &bias};
      with_ops([&](Ops& ops) {
        expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                       reference_attention(qkv.q, qkv.k, qkv.v, batch, spec), fmt::format("{} {}", far, window));
      });
    }
  }
}

/// Buckets of distances up to `far`: one each up to `near`, then one for each four; the first is `first`.
inline std::vector<std::int32_t> buckets_of_distances(int near, int far, int first) {
  std::vector<std::int32_t> buckets;
  for (int distance = -far; distance <= far; ++distance) {
    const int beyond = std::max(std::abs(distance) - near, 0);
    const int steps = std::min(std::abs(distance), near) + (beyond + 3) / 4;
    buckets.push_back(distance < 0 ? -steps : steps);
  }
  for (std::int32_t& bucket : buckets | std::views::reverse) {
    bucket += first - buckets.front();
  }
  return buckets;
}

TEST_P(OpsSuite, AttentionComparesWithRelativePositions) {
  PackedBatch batch = rows_of_length({1, 7, 65, 0, 40, 600});  // more than one block of keys
  batch.key_lengths = {1, 7, 65, 0, 30, 600};
  const FusedQkv qkv = fused_qkv(batch.num_tokens(), 16, 16, 25);
  // Distances that each have a bucket, that share them, and that lie beyond the farthest one.
  for (const auto& [near, far] : {std::pair{2, 4}, {30, 599}, {599, 599}, {0, 0}}) {
    constexpr int kFirst = 3;  // a table may have rows that nobody needs, at either end
    const std::vector<std::int32_t> buckets = buckets_of_distances(near, far, kFirst);
    const int rows = buckets.back() + 3;
    const Matrix position_keys = noise(rows, 16, 26);
    const Matrix position_queries = noise(rows, 16, 27);
    const PositionTable key_table = backend().position_table(host_tensor(position_keys), 2, Compared::kQueries);
    const PositionTable query_table = backend().position_table(host_tensor(position_queries), 2, Compared::kKeys);
    for (const auto& [keys, queries] : {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
      with_ops([&](Ops& ops) {
        const RelativePositions relative = {.keys = keys ? &key_table : nullptr,
                                            .queries = queries ? &query_table : nullptr,
                                            .max_distance = far,
                                            .bucket_of_distance = buckets};
        const AttentionSpec spec = {
            .num_heads = 2, .num_kv_heads = 2, .head_dim = 8, .scale = 0.3F, .relative = &relative};
        const ReferencePositions positions = {keys ? &position_keys : nullptr, queries ? &position_queries : nullptr};
        expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                       reference_attention(qkv.q, qkv.k, qkv.v, batch, spec, positions),
                       fmt::format("near {}, far {}, keys {}, queries {}", near, far, keys, queries));
      });
    }
  }
}

TEST_P(OpsSuite, AttentionSinksTakeTheirShare) {
  PackedBatch batch = mask_batch();
  batch.key_lengths = {1, 7, 0, 0, 100, 600};  // a row that sees nothing but the sink: zeros
  const FusedQkv qkv = fused_qkv(batch.num_tokens(), 32, 16, 28);
  const std::vector<float> sinks = {-3.0F, 0.5F, 4.0F, 30.0F};
  for (const int window : {AttentionSpec::kUnlimited, 8}) {
    const AttentionSpec spec = {.num_heads = 4,
                                .num_kv_heads = 2,
                                .head_dim = 8,
                                .scale = 0.35F,
                                .left_window = window,
                                .right_window = window,
                                .sinks = &sinks};
    with_ops([&](Ops& ops) {
      expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                     reference_attention(qkv.q, qkv.k, qkv.v, batch, spec), fmt::format("window {}", window));
    });
  }
}

TEST_P(OpsSuite, AttentionRefusesMasksThatDoNotFit) {
  const PackedBatch batch = rows_of_length({2, 3});
  const PositionTable five = backend().position_table(host_tensor(noise(5, 16, 29)), 2, Compared::kQueries);
  const PositionTable narrow_positions = backend().position_table(host_tensor(noise(5, 8, 29)), 1, Compared::kKeys);
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, noise(5, 16, 29));
    const AttentionSpec good = {.num_heads = 2, .num_kv_heads = 2, .head_dim = 8, .scale = 1.0F};
    const auto refuse = [&](const AttentionSpec& spec, const PackedBatch& rows, const char* what) {
      expect_refused([&] { (void)ops.attention(x, x, x, rows, spec); }, what);
    };
    AttentionSpec spec = good;
    spec.left_window = -1;
    refuse(spec, batch, "a negative window");
    const std::vector<float> sinks = {1.0F};
    spec = good;
    spec.sinks = &sinks;
    refuse(spec, batch, "one sink for two heads");
    const DistanceBias bias = {.max_distance = 2, .values = std::vector<float>(9)};
    spec = good;
    spec.distance_bias = &bias;
    refuse(spec, batch, "too few distance biases");
    const RelativePositions fitting = {
        .keys = &five, .queries = nullptr, .max_distance = 2, .bucket_of_distance = {0, 1, 2, 3, 4}};
    RelativePositions relative = fitting;
    spec = good;
    spec.relative = &relative;
    EXPECT_NO_THROW((void)ops.attention(x, x, x, batch, spec));
    relative.queries = &narrow_positions;
    refuse(spec, batch, "relative positions of another width");
    relative = fitting;
    relative.bucket_of_distance = {0, 1, 2, 3, 5};
    refuse(spec, batch, "a bucket that has no row");
    relative.bucket_of_distance = {0, 2, 1, 3, 4};
    refuse(spec, batch, "buckets that fall");
    relative.bucket_of_distance = {0, 1, 1, 3, 4};
    refuse(spec, batch, "a bucket that no distance has");
    relative.bucket_of_distance = {0, 1, 2};
    refuse(spec, batch, "too few buckets");
    relative.bucket_of_distance = {1, 2, 3, 4, 5};
    refuse(spec, batch, "a bucket beyond the last row");
    relative.bucket_of_distance = {-1, 0, 1, 2, 3};
    refuse(spec, batch, "a bucket before the first row");
    relative = fitting;
    spec.num_kv_heads = 1;
    const Tensor narrow = ops.columns(x, 0, 8);
    expect_refused([&] { (void)ops.attention(x, narrow, narrow, batch, spec); }, "relative positions for one key head");
    PackedBatch hidden = batch;
    hidden.key_lengths = {3, 3};
    refuse(good, hidden, "more keys than tokens");
    hidden.key_lengths = {1};
    refuse(good, hidden, "one key length for two rows");
  });
}

}  // namespace mlxe::testing
