// Tests of attention for every backend; included by ops_suite.h.
#pragma once

#include <string>

#include <fmt/format.h>

#include "support/ops_fixture.h"
#include "support/reference_attention.h"

namespace mlxe::testing {

/// A layer's q, k and v as one product gives them: columns of one tensor.
struct FusedQkv {
  Matrix all;
  Matrix q;
  Matrix k;
  Matrix v;
};
inline FusedQkv fused_qkv(int tokens, int q_columns, int kv_columns, unsigned seed, float spread = 1.0F) {
  FusedQkv fused = {noise(tokens, q_columns + 2 * kv_columns, seed, spread), Matrix(tokens, q_columns),
                    Matrix(tokens, kv_columns), Matrix(tokens, kv_columns)};
  const Matrix& all = fused.all;
  for (int t = 0; t < tokens; ++t) {
    for (int c = 0; c < q_columns; ++c) {
      fused.q.at(t, c) = static_cast<float>(all.at(t, c));
    }
    for (int c = 0; c < kv_columns; ++c) {
      fused.k.at(t, c) = static_cast<float>(all.at(t, q_columns + c));
      fused.v.at(t, c) = static_cast<float>(all.at(t, q_columns + kv_columns + c));
    }
  }
  return fused;
}

inline Tensor attend(Ops& ops, const Tensor& fused, const PackedBatch& batch, const AttentionSpec& spec) {
  const int q_columns = spec.num_heads * spec.head_dim;
  const int kv_columns = spec.num_kv_heads * spec.head_dim;
  return ops.attention(ops.columns(fused, 0, q_columns), ops.columns(fused, q_columns, kv_columns),
                       ops.columns(fused, q_columns + kv_columns, kv_columns), batch, spec);
}

TEST_P(OpsSuite, AttentionOfMixedLengthsAndEveryHeadSize) {
  const PackedBatch batch = rows_of_length({1, 7, 2, 65, 16, 17, 300});
  for (const int head_dim : {8, 16, 32, 64, 65, 128}) {
    const AttentionSpec spec = {.num_heads = 2,
                                .num_kv_heads = 2,
                                .head_dim = head_dim,
                                .scale = 1.0F / std::sqrt(static_cast<float>(head_dim))};
    const FusedQkv qkv = fused_qkv(batch.num_tokens(), 2 * head_dim, 2 * head_dim, static_cast<unsigned>(head_dim));
    with_ops([&](Ops& ops) {
      expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                     reference_attention(qkv.q, qkv.k, qkv.v, batch, spec), fmt::format("head_dim {}", head_dim));
    });
  }
}

TEST_P(OpsSuite, AttentionSharesKeysAmongGroupsOfHeads) {
  const PackedBatch batch = rows_of_length({17, 1, 40});
  for (const auto& [heads, kv_heads] : {std::pair{4, 2}, {6, 1}, {3, 3}}) {
    const AttentionSpec spec = {.num_heads = heads, .num_kv_heads = kv_heads, .head_dim = 16, .scale = 0.25F};
    const FusedQkv qkv = fused_qkv(batch.num_tokens(), 16 * heads, 16 * kv_heads, 1);
    with_ops([&](Ops& ops) {
      expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                     reference_attention(qkv.q, qkv.k, qkv.v, batch, spec),
                     fmt::format("{} heads on {}", spec.num_heads, spec.num_kv_heads));
    });
  }
}

TEST_P(OpsSuite, AttentionOfSeparateTensors) {
  const PackedBatch batch = rows_of_length({5, 33});
  const AttentionSpec spec = {.num_heads = 3, .num_kv_heads = 3, .head_dim = 8, .scale = 0.5F};
  const Matrix q = noise(38, 24, 2);
  const Matrix k = noise(38, 24, 3);
  const Matrix v = noise(38, 24, 4);
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.attention(upload(ops, q), upload(ops, k), upload(ops, v), batch, spec),
                   reference_attention(q, k, v, batch, spec));
  });
}

TEST_P(OpsSuite, AttentionWithPeakedScoresStaysFinite) {
  // Scores up to several hundred: exp overflows unless the largest score is subtracted first.
  const PackedBatch batch = rows_of_length({1, 16, 65});
  const AttentionSpec spec = {.num_heads = 2, .num_kv_heads = 2, .head_dim = 32, .scale = 1.0F};
  const FusedQkv qkv = fused_qkv(batch.num_tokens(), 64, 64, 5, 5.0F);
  with_ops([&](Ops& ops) {
    expect_matches(ops, attend(ops, upload(ops, qkv.all), batch, spec),
                   reference_attention(qkv.q, qkv.k, qkv.v, batch, spec));
  });
}

TEST_P(OpsSuite, AttentionWithHugeNegativeScoresStaysFinite) {
  // Every score is far below zero: without subtracting the maximum all weights would vanish.
  const PackedBatch batch = rows_of_length({16});
  const AttentionSpec spec = {.num_heads = 1, .num_kv_heads = 1, .head_dim = 8, .scale = 1.0F};
  const Matrix q = noise(16, 8, 6, 0.1F, 12.0F);
  const Matrix k = noise(16, 8, 7, 0.1F, -12.0F);
  const Matrix v = noise(16, 8, 8);
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.attention(upload(ops, q), upload(ops, k), upload(ops, v), batch, spec),
                   reference_attention(q, k, v, batch, spec));
  });
}

TEST_P(OpsSuite, AttentionStaysInsideItsRow) {
  // A neighbour of infinite weight: one key that leaks across the border would take all the attention.
  const PackedBatch batch = rows_of_length({4, 4});
  const AttentionSpec spec = {.num_heads = 1, .num_kv_heads = 1, .head_dim = 8, .scale = 1.0F};
  Matrix q = noise(8, 8, 9, 0.1F, 1.0F);
  Matrix k = noise(8, 8, 10);
  Matrix v = noise(8, 8, 11);
  for (int t = 4; t < 8; ++t) {
    for (int c = 0; c < 8; ++c) {
      k.at(t, c) = 1e4F;
      v.at(t, c) = 1e6F;
    }
  }
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.attention(upload(ops, q), upload(ops, k), upload(ops, v), batch, spec),
                   reference_attention(q, k, v, batch, spec));
  });
}

TEST_P(OpsSuite, AttentionOfEmptyRowsAndEmptyBatches) {
  const AttentionSpec spec = {.num_heads = 2, .num_kv_heads = 2, .head_dim = 8, .scale = 1.0F};
  const PackedBatch gaps = rows_of_length({0, 3, 0, 2, 0});
  const FusedQkv qkv = fused_qkv(5, 16, 16, 12);
  with_ops([&](Ops& ops) {
    expect_matches(ops, attend(ops, upload(ops, qkv.all), gaps, spec),
                   reference_attention(qkv.q, qkv.k, qkv.v, gaps, spec), "empty rows");
    expect_equal(ops, attend(ops, upload(ops, Matrix(0, 48)), PackedBatch(), spec), Matrix(0, 16), "empty batch");
  });
}

// Whoever else asks, a token gets the same bits; the two tokens of one row have others between them.
TEST_P(OpsSuite, AttentionOfWantedTokensIsThatOfAll) {
  const PackedBatch batch = rows_of_length({1, 40, 0, 600, 3});
  const std::vector<std::int32_t> wanted = {643, 40, 0, 1, 640, 41, 599, 1};
  const int unlimited = AttentionSpec::kUnlimited;
  for (const auto& [left, right] : {std::pair(unlimited, unlimited), std::pair(unlimited, 0), std::pair(5, 2)}) {
    const AttentionSpec spec = {
        .num_heads = 4, .num_kv_heads = 2, .head_dim = 16, .scale = 0.5F, .left_window = left, .right_window = right};
    const Matrix q = noise(644, 64, 17);
    const Matrix k = noise(644, 32, 18);
    const Matrix v = noise(644, 32, 19);
    with_ops([&](Ops& ops) {
      const auto attend_for = [&](const TokenChoice& choice) {
        return ops.attention(upload(ops, q), upload(ops, k), upload(ops, v), batch, spec, choice);
      };
      std::vector<float> expected(wanted.size() * 64);
      std::vector<float> actual(expected.size());
      ops.read(attend_for(wanted), actual);  // first, lest memory of the other be used again
      ops.read(ops.take_rows(attend_for(std::nullopt), wanted), expected);
      EXPECT_EQ(actual, expected) << left << " " << right;
    });
  }
}

TEST_P(OpsSuite, AttentionRefusesWrongShapes) {
  const PackedBatch batch = rows_of_length({2, 3});
  const AttentionSpec spec = {.num_heads = 4, .num_kv_heads = 2, .head_dim = 8, .scale = 1.0F};
  with_ops([&](Ops& ops) {
    const Tensor q = upload(ops, noise(5, 32, 13));
    const Tensor k = upload(ops, noise(5, 16, 14));
    const Tensor short_k = upload(ops, noise(4, 16, 15));
    const auto refuse = [&](const Tensor& queries, const Tensor& keys, const Tensor& values, const PackedBatch& rows,
                            const AttentionSpec& wanted, const char* what) {
      expect_refused([&] { (void)ops.attention(queries, keys, values, rows, wanted); }, what);
    };
    refuse(k, k, k, batch, spec, "narrow queries");
    refuse(q, q, k, batch, spec, "wide keys");
    refuse(q, k, q, batch, spec, "wide values");
    refuse(q, short_k, k, batch, spec, "too few keys");
    refuse(q, k, short_k, batch, spec, "too few values");
    refuse(q, k, k, rows_of_length({2, 2}), spec, "a batch that ends early");
    for (const std::int32_t token : {-1, 5}) {
      const TokenChoice beyond = std::vector{token};
      expect_refused([&] { (void)ops.attention(q, k, k, batch, spec, beyond); }, "a token beyond the batch");
    }
    AttentionSpec odd = spec;
    odd.num_kv_heads = 3;
    refuse(q, upload(ops, noise(5, 24, 16)), upload(ops, noise(5, 24, 17)), batch, odd, "heads that do not divide");
    AttentionSpec none = spec;
    none.num_heads = none.num_kv_heads = 0;
    refuse(upload(ops, Matrix(5, 0)), upload(ops, Matrix(5, 0)), upload(ops, Matrix(5, 0)), batch, none, "no heads");
  });
}

}  // namespace mlxe::testing
