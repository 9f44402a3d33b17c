// Tests that no operation turns a NaN into a number, for every backend; included by ops_suite.h.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "support/ops_suite_attention.h"

namespace mlxe::testing {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_P(OpsSuite, ActivationsKeepNan) {
  Matrix x(2, 1);
  x.values = {kNan, 1.0F};
  Matrix one(1, 1);
  one.values = {1.0F};
  const LinearWeight identity = backend().linear_weight(std::array{LinearPart{host_tensor(one), std::nullopt}});
  for (const Activation activation :
       {Activation::kNone, Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu, Activation::kSilu,
        Activation::kTanh, Activation::kSigmoid, Activation::kQuickGelu}) {
    with_ops([&](Ops& ops) {
      const Matrix y = download(ops, ops.linear(upload(ops, x), identity, activation));
      EXPECT_TRUE(std::isnan(y.values[0])) << static_cast<int>(activation);
      EXPECT_FALSE(std::isnan(y.values[1])) << static_cast<int>(activation);
    });
  }
}

TEST_P(OpsSuite, MaxPoolingKeepsNan) {
  const PackedBatch batch = rows_of_length({3, 5});
  for (int token = 0; token < 8; ++token) {
    Matrix x = noise(8, 7, 51);
    x.at(token, 4) = kNan;
    with_ops([&](Ops& ops) {
      const Matrix y = download(ops, ops.pool(upload(ops, x), batch, PoolingMode::kMax, {}));
      for (int row = 0; row < 2; ++row) {
        for (int c = 0; c < 7; ++c) {
          EXPECT_EQ(std::isnan(std::as_const(y).at(row, c)), c == 4 && row == (token < 3 ? 0 : 1)) << token;
        }
      }
    });
  }
}

TEST_P(OpsSuite, NormalisedRowsKeepNan) {
  Matrix x = noise(3, 33, 52);
  x.at(1, 4) = kNan;
  with_ops([&](Ops& ops) {
    const Matrix y = download(ops, ops.l2_normalize(upload(ops, x)));
    for (int row = 0; row < 3; ++row) {
      for (int c = 0; c < 33; ++c) {
        EXPECT_EQ(std::isnan(std::as_const(y).at(row, c)), row == 1) << row << ", " << c;
      }
    }
  });
}

TEST_P(OpsSuite, AttentionKeepsNanInTheRowsThatItTouches) {
  const PackedBatch batch = rows_of_length({9, 20});
  for (const int right_window : {AttentionSpec::kUnlimited, 0}) {
    const AttentionSpec spec = {
        .num_heads = 2, .num_kv_heads = 1, .head_dim = 8, .scale = 0.3F, .right_window = right_window};
    for (const int token : {9, 17, 28}) {  // of the second text
      for (const int column : {3, 20}) {   // of the first query head, and of the key head
        Matrix all = fused_qkv(29, 16, 8, 53).all;
        all.at(token, column) = kNan;
        with_ops([&](Ops& ops) {
          const Matrix y = download(ops, attend(ops, upload(ops, all), batch, spec));
          for (int row = 0; row < 29; ++row) {
            const bool seen = row >= 9 && (right_window > 0 || row >= token);
            for (int c = 0; c < 16; ++c) {
              const bool touched = column == 3 ? row == token && c < 8 : seen;
              EXPECT_EQ(std::isnan(std::as_const(y).at(row, c)), touched)
                  << "NaN at " << token << ", " << column << ", window " << right_window << ": row " << row;
            }
          }
        });
      }
    }
  }
}

}  // namespace mlxe::testing
