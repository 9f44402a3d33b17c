// Tests of layer_norm, columns, pool, concat_columns, l2_normalize and read for every backend; included by ops_suite.h.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "support/ops_fixture.h"

namespace mlxe::testing {

constexpr std::array kPoolingModes = {PoolingMode::kCls,         PoolingMode::kMax,          PoolingMode::kMean,
                                      PoolingMode::kMeanSqrtLen, PoolingMode::kWeightedMean, PoolingMode::kLastToken};

TEST_P(OpsSuite, LayerNormOfEverySize) {
  for (const int size : {1, 7, 16, 33, 65, 384}) {
    const Matrix scale = noise(1, size, 1);
    const Matrix shift = noise(1, size, 2);
    const HostTensor scale_weight = host_tensor({size}, scale.values);
    const NormWeight shifted = backend().norm_weight(scale_weight, host_tensor({size}, shift.values));
    const NormWeight plain = backend().norm_weight(scale_weight, std::nullopt);
    EXPECT_EQ(shifted.size, size);
    for (const int rows : {1, 7, 65}) {
      const Matrix x = noise(rows, size, static_cast<unsigned>(size), 3.0F, 1.0F);
      with_ops([&](Ops& ops) {
        const Tensor input = upload(ops, x);
        const std::string what = fmt::format("{} rows of {}", rows, size);
        expect_matches(ops, ops.layer_norm(input, shifted, 1e-12F),
                       reference_layer_norm(x, scale.values, shift.values, 1e-12F), what);
        expect_matches(ops, ops.layer_norm(input, plain, 1e-2F), reference_layer_norm(x, scale.values, {}, 1e-2F),
                       what + " without a shift");
      });
    }
  }
}

TEST_P(OpsSuite, LayerNormKeepsItsDigitsFarFromZero) {
  // The squares are 1e6 and their differences 1: a variance from E[x^2] - mean^2 would have one digit left.
  const Matrix x = noise(7, 384, 3, 1.0F, 1000.0F);
  const Matrix scale = noise(1, 384, 4);
  const NormWeight norm = backend().norm_weight(host_tensor({384}, scale.values), std::nullopt);
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.layer_norm(upload(ops, x), norm, 1e-5F), reference_layer_norm(x, scale.values, {}, 1e-5F));
  });
}

TEST_P(OpsSuite, LayerNormAddsEpsilonToTheVariance) {
  // Rows of standard deviation 0.05: eps is four times the variance.
  const Matrix x = noise(7, 65, 5, 0.05F);
  const std::vector<float> ones(65, 1.0F);
  const NormWeight norm = backend().norm_weight(host_tensor({65}, ones), std::nullopt);
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.layer_norm(upload(ops, x), norm, 1e-2F), reference_layer_norm(x, ones, {}, 1e-2F));
  });
}

TEST_P(OpsSuite, LayerNormOfAConstantRowIsItsShift) {
  Matrix x(1, 32);
  std::ranges::fill(x.values, 4.0F);
  const Matrix shift = noise(1, 32, 6);
  const std::vector<float> ones(32, 1.0F);
  const NormWeight norm = backend().norm_weight(host_tensor({32}, ones), host_tensor({32}, shift.values));
  with_ops([&](Ops& ops) { expect_equal(ops, ops.layer_norm(upload(ops, x), norm, 1e-12F), shift); });
}

TEST_P(OpsSuite, LayerNormWidensHalvesAndReadsColumnViews) {
  const Matrix wide = noise(7, 96, 7);
  HalfWeight scale = half_weight(DType::kBFloat16, 1, 33, 8);
  HalfWeight shift = half_weight(DType::kFloat16, 1, 33, 9);
  scale.tensor.shape = shift.tensor.shape = {33};
  const NormWeight norm = backend().norm_weight(scale.tensor, shift.tensor);
  Matrix x(7, 33);
  for (int r = 0; r < 7; ++r) {
    for (int c = 0; c < 33; ++c) {
      x.at(r, c) = static_cast<float>(wide.at(r, 50 + c));
    }
  }
  with_ops([&](Ops& ops) {
    expect_matches(ops, ops.layer_norm(ops.columns(upload(ops, wide), 50, 33), norm, 1e-5F),
                   reference_layer_norm(x, scale.values.values, shift.values.values, 1e-5F));
  });
}

TEST_P(OpsSuite, ColumnsSelectsARange) {
  const Matrix x = noise(7, 65, 10);
  for (const auto& [begin, count] : {std::pair{0, 65}, {0, 1}, {64, 1}, {13, 33}}) {
    Matrix wanted(7, count);
    for (int r = 0; r < 7; ++r) {
      for (int c = 0; c < count; ++c) {
        wanted.at(r, c) = static_cast<float>(x.at(r, begin + c));
      }
    }
    with_ops([&, first = begin, width = count](Ops& ops) {
      expect_equal(ops, ops.columns(upload(ops, x), first, width), wanted, fmt::format("{} from {}", width, first));
    });
  }
}

TEST_P(OpsSuite, ColumnsOfColumns) {
  const Matrix x = noise(3, 12, 11);
  Matrix wanted(3, 2);
  for (int r = 0; r < 3; ++r) {
    wanted.at(r, 0) = static_cast<float>(x.at(r, 7));
    wanted.at(r, 1) = static_cast<float>(x.at(r, 8));
  }
  with_ops([&](Ops& ops) { expect_equal(ops, ops.columns(ops.columns(upload(ops, x), 4, 8), 3, 2), wanted); });
}

TEST_P(OpsSuite, PoolInEveryMode) {
  const PackedBatch batch = rows_of_length({1, 7, 2, 65, 17});
  for (const int columns : {1, 7, 65, 384}) {
    const Matrix x = noise(batch.num_tokens(), columns, 12, 1.0F, 0.5F);
    for (const PoolingMode mode : kPoolingModes) {
      with_ops([&](Ops& ops) {
        expect_matches(ops, ops.pool(upload(ops, x), batch, mode, {}), reference_pool(x, batch, mode, {}),
                       fmt::format("mode {} of {} columns", static_cast<int>(mode), columns));
      });
    }
  }
}

TEST_P(OpsSuite, PoolOfNegativeValues) {
  const PackedBatch batch = rows_of_length({3, 5});
  const Matrix x = noise(8, 7, 13, 1.0F, -20.0F);  // a maximum that starts at 0 would show
  for (const PoolingMode mode : kPoolingModes) {
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.pool(upload(ops, x), batch, mode, {}), reference_pool(x, batch, mode, {}),
                     fmt::format("mode {}", static_cast<int>(mode)));
    });
  }
}

TEST_P(OpsSuite, PoolLeavesThePromptOut) {
  // From the first token, from within, only the last one, none left, and more than there are.
  const PackedBatch batch = rows_of_length({5, 9, 4, 3, 2});
  const std::vector<std::int32_t> first_token = {0, 4, 3, 3, 7};
  const Matrix x = noise(batch.num_tokens(), 33, 14);
  for (const PoolingMode mode : kPoolingModes) {
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.pool(upload(ops, x), batch, mode, first_token),
                     reference_pool(x, batch, mode, first_token), fmt::format("mode {}", static_cast<int>(mode)));
    });
  }
}

TEST_P(OpsSuite, PoolOfARowWithoutTokensIsZero) {
  const PackedBatch batch = rows_of_length({0, 2, 0, 1, 0});
  const Matrix x = noise(3, 7, 15);
  for (const PoolingMode mode : kPoolingModes) {
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.pool(upload(ops, x), batch, mode, {}), reference_pool(x, batch, mode, {}),
                     fmt::format("mode {}", static_cast<int>(mode)));
    });
  }
}

TEST_P(OpsSuite, ConcatColumnsPutsPartsSideBySide) {
  const Matrix left = noise(7, 1, 16);
  const Matrix middle = noise(7, 65, 17);
  const Matrix right = noise(7, 32, 18);
  Matrix wanted(7, 1 + 20 + 32);
  for (int r = 0; r < 7; ++r) {
    wanted.at(r, 0) = static_cast<float>(left.at(r, 0));
    for (int c = 0; c < 20; ++c) {
      wanted.at(r, 1 + c) = static_cast<float>(middle.at(r, 40 + c));
    }
    for (int c = 0; c < 32; ++c) {
      wanted.at(r, 21 + c) = static_cast<float>(right.at(r, c));
    }
  }
  with_ops([&](Ops& ops) {
    const std::vector<Tensor> parts = {upload(ops, left), ops.columns(upload(ops, middle), 40, 20), upload(ops, right)};
    expect_equal(ops, ops.concat_columns(parts), wanted);
    expect_equal(ops, ops.concat_columns(std::span(parts).first(1)), left, "one part");
  });
}

TEST_P(OpsSuite, L2NormalizeGivesUnitRows) {
  for (const int columns : {1, 7, 65, 384}) {
    const Matrix x = noise(13, columns, 19, 5.0F);
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.l2_normalize(upload(ops, x)), reference_l2_normalize(x),
                     fmt::format("{} columns", columns));
    });
  }
}

TEST_P(OpsSuite, L2NormalizeKeepsZeroRows) {
  Matrix x = noise(3, 32, 20);
  std::fill_n(x.values.begin() + 32, 32, 0.0F);
  with_ops([&](Ops& ops) { expect_matches(ops, ops.l2_normalize(upload(ops, x)), reference_l2_normalize(x)); });
}

TEST_P(OpsSuite, L2NormalizeOfHugeAndTinyRows) {
  // The squares of 1e25 and 1e-30 do not fit into float32; below 1e-12 the floor of the norm counts.
  Matrix x = noise(4, 33, 21);
  for (int c = 0; c < 33; ++c) {
    x.at(0, c) *= 1e25F;
    x.at(1, c) *= 1e-30F;
    x.at(2, c) *= 1e-10F;
  }
  with_ops([&](Ops& ops) { expect_matches(ops, ops.l2_normalize(upload(ops, x)), reference_l2_normalize(x)); });
}

TEST_P(OpsSuite, RowsOperationsOnNoRows) {
  const PackedBatch none;
  const std::vector<float> ones(7, 1.0F);
  const NormWeight norm = backend().norm_weight(host_tensor({7}, ones), std::nullopt);
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, Matrix(0, 7));
    expect_equal(ops, ops.layer_norm(x, norm, 1e-5F), Matrix(0, 7));
    expect_equal(ops, ops.columns(x, 2, 3), Matrix(0, 3));
    expect_equal(ops, ops.concat_columns(std::vector{x, x}), Matrix(0, 14));
    expect_equal(ops, ops.l2_normalize(x), Matrix(0, 7));
    for (const PoolingMode mode : kPoolingModes) {
      expect_equal(ops, ops.pool(x, none, mode, {}), Matrix(0, 7));
    }
  });
}

TEST_P(OpsSuite, RowOperationsRefuseWrongShapes) {
  const std::vector<float> ones(7, 1.0F);
  const NormWeight norm = backend().norm_weight(host_tensor({7}, ones), std::nullopt);
  const PackedBatch batch = rows_of_length({2, 3});
  const std::vector<std::int32_t> one_first = {0};
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, noise(5, 7, 22));
    const Tensor short_one = upload(ops, noise(4, 7, 23));
    expect_refused([&] { (void)ops.layer_norm(ops.columns(x, 0, 6), norm, 1e-5F); }, "layer_norm: a narrow input");
    expect_refused([&] { (void)ops.columns(x, 5, 3); }, "columns: past the end");
    expect_refused([&] { (void)ops.columns(x, -1, 3); }, "columns: before the beginning");
    expect_refused([&] { (void)ops.columns(x, 3, -1); }, "columns: a negative count");
    constexpr int kLargest = std::numeric_limits<int>::max();
    expect_refused([&] { (void)ops.columns(x, 3, kLargest); }, "columns: an end beyond all numbers");
    expect_refused([&] { (void)ops.columns(x, kLargest, 3); }, "columns: a beginning beyond all numbers");
    expect_refused([&] { (void)ops.pool(short_one, batch, PoolingMode::kMean, {}); }, "pool: too few tokens");
    expect_refused([&] { (void)ops.pool(x, batch, PoolingMode::kMean, one_first); }, "pool: too few first tokens");
    const std::vector<std::int32_t> negative = {0, -1};
    expect_refused([&] { (void)ops.pool(x, batch, PoolingMode::kMean, negative); }, "pool: a negative first token");
    PackedBatch turned = batch;
    turned.offsets = {0, 6, 5};
    expect_refused([&] { (void)ops.pool(x, turned, PoolingMode::kMean, {}); },
                   "pool: a text that ends before it begins");
    expect_refused([&] { (void)ops.concat_columns({}); }, "concat_columns: no parts");
    expect_refused([&] { (void)ops.concat_columns(std::vector{x, short_one}); }, "concat_columns: unequal rows");
    std::vector<float> room(34);
    expect_refused([&] { ops.read(x, room); }, "read: too little room");
  });
}

}  // namespace mlxe::testing
