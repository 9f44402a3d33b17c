// Tests of quantised weights for every backend; included by ops_suite.h.
#pragma once

#include <string>
#include <vector>

#include "support/ops_fixture.h"
#include "support/quantized_tensors.h"

namespace mlxe::testing {

inline Matrix elements_of(const HostTensor& weight) {
  Matrix matrix(weight.shape[0], weight.shape[1]);
  dequantize(weight, 0, static_cast<std::size_t>(weight.shape[0]), matrix.values.data());
  return matrix;
}

TEST_P(OpsSuite, GatherSumExpandsQuantisedRowsExactly) {
  const std::vector<std::int32_t> ids = {16, 0, 7, 7};
  for (const QuantizationFormat& format : all_formats()) {
    for (const DType scales : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
      const HostTensor weight = quantized_tensor(format, 17, 128, scales, 1);
      const EmbeddingTable table = backend().embedding_table(weight);
      EXPECT_EQ(table.rows, 17);
      EXPECT_EQ(table.columns, 128);
      const Matrix all = elements_of(weight);
      Matrix wanted(4, 128);
      for (int row = 0; row < 4; ++row) {
        for (int c = 0; c < 128; ++c) {
          wanted.at(row, c) = static_cast<float>(all.at(ids[static_cast<std::size_t>(row)], c));
        }
      }
      with_ops([&](Ops& ops) {
        expect_equal(ops, ops.gather_sum(std::array{Lookup{&table, ids}}), wanted, to_string(format));
      });
    }
  }
}

TEST_P(OpsSuite, LinearOfQuantisedWeightsInEveryFormat) {
  for (const QuantizationFormat& format : all_formats()) {
    for (const int n : {7, 65}) {
      const HostTensor weight = quantized_tensor(format, n, 128, DType::kBFloat16, 2);
      const Matrix bias = noise(1, n, 3);
      const LinearWeight packed =
          backend().linear_weight(std::array{LinearPart{weight, host_tensor({n}, bias.values)}});
      EXPECT_EQ(packed.in_features, 128);
      EXPECT_EQ(packed.out_features, n);
      for (const int m : {1, 7, 65}) {
        const Matrix x = noise(m, 128, static_cast<unsigned>(m));
        const Matrix residual = noise(m, n, 6);
        const Expected expected =
            reference_linear(x, elements_of(weight), bias.values, Activation::kGeluErf, &residual);
        with_ops([&](Ops& ops) {
          expect_matches(ops, ops.linear(upload(ops, x), packed, Activation::kGeluErf, upload(ops, residual)), expected,
                         fmt::format("{}, m {} n {}", to_string(format), m, n));
        });
      }
    }
  }
}

TEST_P(OpsSuite, LinearStacksQuantisedPartsOfUnequalFormats) {
  const Matrix x = noise(5, 128, 4);
  const QuantizationFormat four{QuantizationMode::kAffine, 4, 64};
  const QuantizationFormat six{QuantizationMode::kAffine, 6, 32};
  const std::vector<std::vector<HostTensor>> stacks = {
      {quantized_tensor(four, 96, 128, DType::kFloat16, 1), quantized_tensor(four, 33, 128, DType::kFloat16, 2)},
      {quantized_tensor(four, 96, 128, DType::kFloat16, 1), quantized_tensor(six, 33, 128, DType::kFloat16, 2)},
      {quantized_tensor(four, 31, 128, DType::kFloat16, 1), quantized_tensor(four, 33, 128, DType::kFloat32, 2)},
      {quantized_tensor(four, 96, 128, DType::kFloat16, 1), host_tensor(noise(33, 128, 5, 0.1F))}};
  for (const std::vector<HostTensor>& stack : stacks) {
    std::vector<LinearPart> parts;
    Matrix stacked(0, 128);
    for (const HostTensor& weight : stack) {
      parts.push_back({weight, std::nullopt});
      const Matrix rows = weight.quantization != nullptr ? elements_of(weight) : noise(33, 128, 5, 0.1F);
      stacked.values.insert(stacked.values.end(), rows.values.begin(), rows.values.end());
      stacked.rows += rows.rows;
    }
    const LinearWeight packed = backend().linear_weight(parts);
    EXPECT_EQ(packed.out_features, stacked.rows);
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.linear(upload(ops, x), packed),
                     reference_linear(x, stacked, {}, Activation::kNone, nullptr));
    });
  }
}

}  // namespace mlxe::testing
