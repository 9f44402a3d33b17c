// The dense layer, by hand.
#include "nn/dense.h"

#include <array>
#include <cmath>

#include <gtest/gtest.h>

#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

TEST(Dense, AppliesWeightBiasAndActivation) {
  const std::vector<float> weight = {1, 2, 0, -1};  // [out 2, in 2]
  const std::vector<float> bias = {0.5F, 0};
  testing::ScalarBackend backend;
  const DenseLayer layer = {
      .weight = backend.linear_weight(std::array{
          LinearPart{.weight = testing::host_tensor(weight, {2, 2}), .bias = testing::host_tensor(bias, {2})}}),
      .activation = Activation::kTanh};

  testing::ScalarOps ops;
  const Tensor y = dense(ops, testing::tensor({{0.25F, 0.5F}}), layer);

  EXPECT_FLOAT_EQ(testing::at(y, 0, 0), std::tanh(1.75F));  // 0.25 + 2 * 0.5 + 0.5
  EXPECT_FLOAT_EQ(testing::at(y, 0, 1), std::tanh(-0.5F));
}

// sentence-transformers: the activation's result, then the residual, which is the input where the widths are equal.
TEST(Dense, AddsTheResidualBehindTheActivation) {
  const std::vector<float> weight = {1, 2, 0, -1};
  const std::vector<float> more = {0, 3};  // [out 1, in 2]
  testing::ScalarBackend backend;
  const auto linear = [&](const std::vector<float>& values, const Shape& shape) {
    return backend.linear_weight(
        std::array{LinearPart{.weight = testing::host_tensor(values, shape), .bias = std::nullopt}});
  };
  testing::ScalarOps ops;
  const Tensor x = testing::tensor({{0.25F, 0.5F}});

  const Tensor own = dense(ops, x, {.weight = linear(weight, {2, 2}), .use_residual = true});
  EXPECT_FLOAT_EQ(testing::at(own, 0, 0), std::tanh(1.25F) + 0.25F);
  EXPECT_FLOAT_EQ(testing::at(own, 0, 1), std::tanh(-0.5F) + 0.5F);

  const std::vector<float> row = {1, 2};
  const Tensor narrower =
      dense(ops, x, {.weight = linear(row, {1, 2}), .use_residual = true, .residual = linear(more, {1, 2})});
  EXPECT_FLOAT_EQ(testing::at(narrower, 0, 0), std::tanh(1.25F) + 1.5F);
}

TEST(Dense, UsesTanhUnlessToldOtherwise) {
  EXPECT_EQ(DenseLayer{}.activation, Activation::kTanh);
}

}  // namespace
}  // namespace mlxe
