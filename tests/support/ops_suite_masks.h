// Tests of attention's windows, biases, sinks and hidden keys for every backend; included by ops_suite.h.
#pragma once

#include <string>
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

TEST_P(OpsSuite, AttentionAddsRelativeScores) {
  const PackedBatch batch = rows_of_length({1, 7, 65, 40});
  const int tokens = batch.num_tokens();
  const FusedQkv qkv = fused_qkv(tokens, 16, 16, 25);
  constexpr int kBuckets = 6;
  const Matrix by_query = noise(tokens, 2 * kBuckets, 26);
  const Matrix by_key = noise(tokens, 2 * kBuckets, 27);
  for (const bool queries : {true, false}) {
    for (const bool keys : {true, false}) {
      with_ops([&](Ops& ops) {
        RelativeScores relative = {.by_query = queries ? upload(ops, by_query) : Tensor(),
                                   .by_key = keys ? upload(ops, by_key) : Tensor(),
                                   .num_buckets = kBuckets,
                                   .max_distance = 4,
                                   .bucket_of_distance = {0, 0, 1, 2, 3, 4, 4, 5, 5}};
        const AttentionSpec spec = {
            .num_heads = 2, .num_kv_heads = 2, .head_dim = 8, .scale = 0.3F, .relative = &relative};
        const ReferenceBiases biases = {queries ? &by_query : nullptr, keys ? &by_key : nullptr};
        expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                       reference_attention(qkv.q, qkv.k, qkv.v, batch, spec, biases),
                       fmt::format("by query {}, by key {}", queries, keys));
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
    RelativeScores relative = {
        .by_query = x, .by_key = {}, .num_buckets = 7, .max_distance = 0, .bucket_of_distance = {0}};
    spec = good;
    spec.relative = &relative;
    refuse(spec, batch, "relative scores of another width");
    relative = {.by_query = {}, .by_key = x, .num_buckets = 8, .max_distance = 0, .bucket_of_distance = {8}};
    refuse(spec, batch, "a bucket that is none");
    PackedBatch hidden = batch;
    hidden.key_lengths = {3, 3};
    refuse(good, hidden, "more keys than tokens");
    hidden.key_lengths = {1};
    refuse(good, hidden, "one key length for two rows");
  });
}

}  // namespace mlxe::testing
