// Tests of RMS norm, rope, gates, convolutions and row operations for every backend; included by ops_suite.h.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "support/ops_fixture.h"

namespace mlxe::testing {

TEST_P(OpsSuite, RmsNormOfRowsAndOfHeads) {
  for (const int size : {1, 7, 16, 65, 128}) {
    const Matrix scale = noise(1, size, 31);
    for (const float offset : {0.0F, 1.0F}) {
      const NormWeight norm = backend().norm_weight(host_tensor({size}, scale.values), std::nullopt, offset);
      for (const int groups : {1, 3}) {
        const Matrix x = noise(7, size * groups, static_cast<unsigned>(size), 2.0F, 1.0F);
        with_ops([&](Ops& ops) {
          for (const float eps : {1e-6F, 0.5F}) {
            expect_matches(ops, ops.rms_norm(upload(ops, x), norm, eps),
                           reference_rms_norm(x, scale.values, offset, eps),
                           fmt::format("{} groups of {}, offset {}, eps {}", groups, size, offset, eps));
          }
        });
      }
    }
  }
}

TEST_P(OpsSuite, RmsNormRefusesGroupsThatDoNotDivide) {
  const NormWeight norm = backend().norm_weight(host_tensor({6}, noise(1, 6, 1).values), std::nullopt);
  with_ops([&](Ops& ops) {
    expect_refused([&] { (void)ops.rms_norm(upload(ops, noise(2, 16, 1)), norm, 1e-6F); }, "16 columns by 6");
  });
}

TEST_P(OpsSuite, RopeTurnsPairsByPosition) {
  const std::vector<std::int32_t> positions = {0, 1, 2, 7, 511, 8191};
  for (const auto& [head_dim, pairs] : {std::pair{16, 8}, {64, 32}, {24, 5}, {6, 3}}) {
    std::vector<float> frequencies;
    for (int i = 0; i < pairs; ++i) {
      frequencies.push_back(std::pow(10000.0F, -static_cast<float>(i) / static_cast<float>(pairs)));
    }
    std::vector<std::vector<double>> angles;
    for (const std::int32_t position : positions) {
      std::vector<double>& turns = angles.emplace_back();
      for (const float frequency : frequencies) {
        turns.push_back(static_cast<double>(static_cast<float>(position) * frequency));
      }
    }
    const Matrix x = noise(static_cast<int>(positions.size()), 3 * head_dim, 32);
    for (const RopePairs layout : {RopePairs::kHalves, RopePairs::kNeighbours}) {
      for (const float factor : {1.0F, 1.25F}) {
        with_ops([&](Ops& ops) {
          const Tensor table = ops.rotary_table(positions, frequencies, factor);
          expect_matches(ops, ops.rope(upload(ops, x), table, head_dim, layout),
                         reference_rope(x, angles, head_dim, layout, static_cast<double>(factor)),
                         fmt::format("heads of {}, {} pairs, layout {}", head_dim, pairs, static_cast<int>(layout)));
        });
      }
    }
  }
}

TEST_P(OpsSuite, RopeRefusesWrongShapes) {
  with_ops([&](Ops& ops) {
    const std::vector<std::int32_t> positions = {0, 1};
    const Tensor table = ops.rotary_table(positions, std::vector<float>(4, 1.0F), 1.0F);
    expect_refused([&] { (void)ops.rope(upload(ops, noise(2, 12, 1)), table, 8, RopePairs::kHalves); }, "12 by 8");
    expect_refused([&] { (void)ops.rope(upload(ops, noise(2, 12, 1)), table, 6, RopePairs::kHalves); }, "small heads");
    expect_refused([&] { (void)ops.rope(upload(ops, noise(3, 16, 1)), table, 8, RopePairs::kHalves); }, "3 rows");
  });
}

TEST_P(OpsSuite, GatedLinearJoinsItsHalves) {
  for (const int size : {1, 7, 48, 65}) {
    const Matrix weight = noise(2 * size, 33, 33, 0.5F);
    const LinearWeight packed = backend().linear_weight(std::array{LinearPart{host_tensor(weight), std::nullopt}});
    for (const int rows : {1, 7, 65}) {
      const Matrix x = noise(rows, 33, 34, 2.0F);
      for (const Gate& gate : {Gate{.activation = Activation::kSilu}, Gate{.activation = Activation::kGeluErf},
                               Gate{.activation = Activation::kGeluTanh}, Gate{.activation = Activation::kRelu},
                               Gate{.activation = Activation::kQuickGelu, .limit = 2.0F, .up_offset = 1.0F}}) {
        with_ops([&](Ops& ops) {
          expect_matches(ops, ops.gated_linear(upload(ops, x), packed, gate), reference_gate(x, weight, gate),
                         fmt::format("{} rows of {}, activation {}", rows, size, static_cast<int>(gate.activation)));
        });
      }
    }
  }
}

TEST_P(OpsSuite, GatedLinearRefusesAnOddWidth) {
  const LinearWeight odd = backend().linear_weight(std::array{LinearPart{host_tensor(noise(7, 8, 1)), std::nullopt}});
  with_ops([&](Ops& ops) {
    expect_refused([&] { (void)ops.gated_linear(upload(ops, noise(2, 8, 1)), odd, Gate()); }, "7 outputs");
  });
}

TEST_P(OpsSuite, ShortConvStaysInsideItsRow) {
  PackedBatch batch = rows_of_length({1, 0, 7, 65});
  const Matrix x = noise(batch.num_tokens(), 33, 35);
  for (const bool hidden : {false, true}) {
    batch.key_lengths = hidden ? std::vector<std::int32_t>{1, 0, 4, 60} : std::vector<std::int32_t>();
    for (const int taps : {1, 3, 4}) {
      const Matrix weight = noise(33, taps, 36);
      const Matrix bias = noise(1, 33, 37);
      const HostTensor host = host_tensor({33, 1, taps}, weight.values);
      const ConvWeight plain = backend().conv_weight(host, std::nullopt);
      const ConvWeight shifted = backend().conv_weight(host, host_tensor({33}, bias.values));
      with_ops([&](Ops& ops) {
        const Tensor input = upload(ops, x);
        const std::string what = fmt::format("{} taps, hidden {}", taps, hidden);
        expect_matches(ops, ops.short_conv(input, plain, batch, ConvPadding::kCausal),
                       reference_short_conv(x, weight, {}, batch, taps - 1), what);
        expect_matches(ops, ops.short_conv(input, shifted, batch, ConvPadding::kCausal),
                       reference_short_conv(x, weight, bias.values, batch, taps - 1), what + " with bias");
        if (taps % 2 == 1) {
          expect_matches(ops, ops.short_conv(input, plain, batch, ConvPadding::kSymmetric),
                         reference_short_conv(x, weight, {}, batch, taps / 2), what + " symmetric");
        } else {
          expect_refused([&] { (void)ops.short_conv(input, plain, batch, ConvPadding::kSymmetric); }, what);
        }
      });
    }
  }
}

TEST_P(OpsSuite, ElementwiseOperations) {
  const Matrix a = noise(7, 65, 38);
  const Matrix b = noise(7, 65, 39);
  Matrix sum(7, 65);
  Matrix product(7, 65);
  Matrix half(7, 65);
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    sum.values[i] = a.values[i] + b.values[i];
    product.values[i] = a.values[i] * b.values[i];
    half.values[i] = a.values[i] * 0.5F;
  }
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, a);
    const Tensor y = upload(ops, b);
    expect_equal(ops, ops.add(x, y), sum, "add");
    expect_equal(ops, ops.multiply(x, y), product, "multiply");
    expect_equal(ops, ops.scale(x, 0.5F), half, "scale");
    expect_refused([&] { (void)ops.add(x, ops.columns(y, 0, 3)); }, "add of two shapes");
    expect_refused([&] { (void)ops.multiply(x, ops.columns(y, 0, 3)); }, "multiply of two shapes");
  });
}

TEST_P(OpsSuite, TakesAndAddsRows) {
  const Matrix base = noise(9, 17, 40);
  const Matrix x = noise(3, 17, 41);
  const std::vector<std::int32_t> rows = {8, 0, 4};
  const std::vector<float> factors = {0.5F, -2.0F, 1.0F};  // powers of two: the sums round once
  Matrix taken(3, 17);
  Matrix added = base;
  for (int i = 0; i < 3; ++i) {
    for (int c = 0; c < 17; ++c) {
      const int row = rows[static_cast<std::size_t>(i)];
      taken.at(i, c) = static_cast<float>(base.at(row, c));
      added.at(row, c) += factors[static_cast<std::size_t>(i)] * static_cast<float>(x.at(i, c));
    }
  }
  with_ops([&](Ops& ops) {
    const Tensor all = upload(ops, base);
    const Tensor some = upload(ops, x);
    expect_equal(ops, ops.take_rows(all, rows), taken, "take");
    expect_equal(ops, ops.add_rows(all, some, rows, factors), added, "add");
    expect_equal(ops, all, base, "the base stays");
    (void)ops.add_rows(ops.columns(all, 0, 4), upload(ops, noise(3, 4, 42)), rows, factors);
    expect_equal(ops, all, base, "the tensor stays whose columns are the base");
    Tensor given_up = ops.scale(all, 1.0F);
    expect_equal(ops, ops.add_rows(std::move(given_up), some, rows, factors), added, "add to a base given up");
    Tensor shared = all;
    (void)ops.add_rows(std::move(shared), some, rows, factors);
    expect_equal(ops, all, base, "the base stays that another handle holds");
    expect_equal(ops, ops.take_rows(all, {}), Matrix(0, 17), "take none");
    expect_equal(ops, ops.add_rows(all, upload(ops, Matrix(0, 17)), {}, {}), base, "add none");
    const std::vector<std::int32_t> beyond = {9, 0, 1};
    expect_refused([&] { (void)ops.take_rows(all, beyond); }, "take beyond the end");
    expect_refused([&] { (void)ops.add_rows(all, some, beyond, factors); }, "add beyond the end");
    expect_refused([&] { (void)ops.add_rows(all, some, rows, std::span(factors).first(2)); }, "two factors");
  });
}

}  // namespace mlxe::testing
