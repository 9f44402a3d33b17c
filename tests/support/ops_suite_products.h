// Tests of gather_sum and linear for every backend; included by ops_suite.h.
#pragma once

#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>

#include "support/ops_fixture.h"

namespace mlxe::testing {

constexpr std::array kActivations = {Activation::kNone, Activation::kGeluErf, Activation::kGeluTanh, Activation::kRelu,
                                     Activation::kSilu, Activation::kTanh,    Activation::kSigmoid};

TEST_P(OpsSuite, GatherSumAddsOneRowOfEachTable) {
  for (const int columns : {1, 7, 32, 65, 384}) {
    const Matrix words = noise(50, columns, 1);
    const Matrix types = noise(2, columns, 2);
    const Matrix places = noise(9, columns, 3);
    const EmbeddingTable word_table = backend().embedding_table(host_tensor(words));
    const EmbeddingTable type_table = backend().embedding_table(host_tensor(types));
    const EmbeddingTable place_table = backend().embedding_table(host_tensor(places));
    EXPECT_EQ(word_table.rows, 50);
    EXPECT_EQ(word_table.columns, columns);
    const std::vector<std::int32_t> word_ids = {49, 0, 7, 7, 13, 21, 48};
    const std::vector<std::int32_t> type_ids = {0, 1, 0, 1, 1, 0, 0};
    const std::vector<std::int32_t> place_ids = {0, 1, 2, 3, 8, 5, 6};
    const std::vector<Lookup> lookups = {{&word_table, word_ids}, {&type_table, type_ids}, {&place_table, place_ids}};
    for (std::size_t count = 1; count <= 3; ++count) {
      Expected expected(7, columns);
      for (std::size_t token = 0; token < 7; ++token) {
        for (int c = 0; c < columns; ++c) {
          const std::array terms = {words.at(word_ids[token], c), types.at(type_ids[token], c),
                                    places.at(place_ids[token], c)};
          double sum = 0.0;
          double magnitude = 0.0;
          for (std::size_t t = 0; t < count; ++t) {
            sum += terms[t];
            magnitude += std::abs(terms[t]);
          }
          expected.push(sum, static_cast<double>(count - 1) * kRounding * magnitude);  // one rounding per addition
        }
      }
      with_ops([&](Ops& ops) {
        expect_matches(ops, ops.gather_sum(std::span(lookups).first(count)), expected,
                       fmt::format("{} tables of {} columns", count, columns));
      });
    }
  }
}

TEST_P(OpsSuite, GatherSumWidensHalvesExactly) {
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    // 14 powers of two below 1 are the last normal numbers of float16.
    const HalfWeight half = half_weight(dtype, 33, 65, 4, /*smallest=*/14);
    const EmbeddingTable table = backend().embedding_table(half.tensor);
    Matrix wanted(33, 65);
    std::vector<std::int32_t> ids(33);
    for (int i = 0; i < 33; ++i) {
      ids[static_cast<std::size_t>(i)] = 32 - i;
      for (int c = 0; c < 65; ++c) {
        wanted.at(i, c) = static_cast<float>(std::as_const(half.values).at(32 - i, c));
      }
    }
    with_ops([&](Ops& ops) {
      expect_equal(ops, ops.gather_sum(std::array{Lookup{&table, ids}}), wanted, std::string(to_string(dtype)));
    });
  }
}

// Rows of a table that somebody keeps may be left where they lie: then they outlive the table, and nothing changes
// them.
TEST_P(OpsSuite, GatherSumOfNeighbouringRowsSharesThemSafely) {
  const Matrix before = noise(9, 20, 5);
  const HostTensor kept = host_tensor(before);
  Matrix wanted(4, 20);
  Matrix narrow(4, 5);  // columns 2 to 6 of it
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 20; ++c) {
      wanted.at(r, c) = static_cast<float>(before.at(3 + r, c));
    }
    for (int c = 0; c < 5; ++c) {
      narrow.at(r, c) = static_cast<float>(before.at(3 + r, 2 + c));
    }
  }
  with_ops([&](Ops& ops) {
    Tensor rows;
    {
      const EmbeddingTable table = backend().embedding_table(kept);
      const std::vector<std::int32_t> ids = {3, 4, 5, 6};
      rows = ops.gather_sum(std::array{Lookup{&table, ids}});
    }
    expect_equal(ops, rows, wanted, "rows");
    expect_equal(ops, ops.columns(rows, 2, 5), narrow, "columns of them");
    const std::vector<std::int32_t> places = {1, 3};
    const std::vector<float> factors = {2.0F, 4.0F};
    (void)ops.add_rows(std::move(rows), upload(ops, noise(2, 20, 6)), places, factors);
  });
  EXPECT_EQ(std::memcmp(kept.data, before.values.data(), before.values.size() * sizeof(float)), 0);
}

TEST_P(OpsSuite, GatherSumWidensTheSmallestHalves) {
  // Subnormal float16 numbers, both zeros and the largest one.
  auto bits = std::make_shared<std::vector<std::uint16_t>>(
      std::initializer_list<std::uint16_t>{0x0001, 0x8001, 0x03ff, 0x0400, 0x0200, 0x0000, 0x8000, 0x7bff});
  const HostTensor tensor = {DType::kFloat16, {1, 8}, reinterpret_cast<const std::byte*>(bits->data()), bits};
  const EmbeddingTable table = backend().embedding_table(tensor);
  Matrix wanted(1, 8);
  wanted.values = {0x1p-24F, -0x1p-24F, 0x3ffp-24F, 0x1p-14F, 0x1p-15F, 0.0F, -0.0F, 65504.0F};
  const std::vector<std::int32_t> ids = {0};
  with_ops([&](Ops& ops) { expect_equal(ops, ops.gather_sum(std::array{Lookup{&table, ids}}), wanted); });
}

TEST_P(OpsSuite, LinearOfEveryShape) {
  std::size_t round = 0;  // bias, residual and activation take turns, so that all of them meet odd shapes
  for (const int n : {1, 8, 31, 32, 33, 96, 384}) {
    for (const int k : {1, 8, 32, 65, 384}) {
      const Matrix weight = noise(n, k, static_cast<unsigned>(n * 1000 + k), 1.0F / std::sqrt(static_cast<float>(k)));
      const Matrix bias = noise(1, n, 5);
      LinearPart part = {.weight = host_tensor(weight), .bias = std::nullopt};
      const LinearWeight plain = backend().linear_weight(std::array{part});
      part.bias = host_tensor({n}, bias.values);
      const LinearWeight biased = backend().linear_weight(std::array{part});
      for (const int m : {1, 2, 7, 12, 13, 65, 100}) {
        const bool with_bias = round % 2 == 0;
        const bool with_residual = round % 3 == 0;
        const Activation activation = kActivations[round % kActivations.size()];
        ++round;
        const Matrix x = noise(m, k, static_cast<unsigned>(m));
        const Matrix residual = noise(m, n, 6);
        const Expected expected =
            reference_linear(x, weight, with_bias ? std::span<const float>(bias.values) : std::span<const float>(),
                             activation, with_residual ? &residual : nullptr);
        with_ops([&](Ops& ops) {
          const Tensor y = ops.linear(upload(ops, x), with_bias ? biased : plain, activation,
                                      with_residual ? upload(ops, residual) : Tensor());
          expect_matches(ops, y, expected,
                         fmt::format("m {} k {} n {} bias {} residual {} activation {}", m, k, n, with_bias,
                                     with_residual, static_cast<int>(activation)));
        });
      }
    }
  }
}

TEST_P(OpsSuite, LinearWithEveryActivationBiasAndResidual) {
  const Matrix x = noise(13, 65, 7, 2.0F);
  const Matrix weight = noise(33, 65, 8, 0.3F);
  const Matrix bias = noise(1, 33, 9);
  const Matrix residual = noise(13, 33, 10);
  for (const bool with_bias : {false, true}) {
    LinearPart part = {.weight = host_tensor(weight), .bias = std::nullopt};
    if (with_bias) {
      part.bias = host_tensor({33}, bias.values);
    }
    const LinearWeight packed = backend().linear_weight(std::array{part});
    EXPECT_EQ(packed.in_features, 65);
    EXPECT_EQ(packed.out_features, 33);
    for (const bool with_residual : {false, true}) {
      for (const Activation activation : kActivations) {
        const Expected expected =
            reference_linear(x, weight, with_bias ? std::span<const float>(bias.values) : std::span<const float>(),
                             activation, with_residual ? &residual : nullptr);
        with_ops([&](Ops& ops) {
          expect_matches(
              ops, ops.linear(upload(ops, x), packed, activation, with_residual ? upload(ops, residual) : Tensor()),
              expected,
              fmt::format("bias {} residual {} activation {}", with_bias, with_residual, static_cast<int>(activation)));
        });
      }
    }
  }
}

TEST_P(OpsSuite, ActivationsStayFiniteForLargeInputs) {
  // x = +-3e4 overflows a cube or an exponential that is written carelessly.
  Matrix x(2, 1);
  x.values = {3e4F, -3e4F};
  Matrix one(1, 1);
  one.values = {1.0F};
  const LinearWeight identity = backend().linear_weight(std::array{LinearPart{host_tensor(one), std::nullopt}});
  for (const Activation activation : kActivations) {
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.linear(upload(ops, x), identity, activation),
                     reference_linear(x, one, {}, activation, nullptr),
                     fmt::format("activation {}", static_cast<int>(activation)));
    });
  }
}

TEST_P(OpsSuite, LinearStacksPartsOfUnequalWidth) {
  const int k = 65;
  const Matrix x = noise(12, k, 11);
  const std::array outs = {33, 8, 31};
  std::vector<LinearPart> parts;
  Matrix stacked(0, k);
  std::vector<float> biases;
  for (std::size_t p = 0; p < outs.size(); ++p) {
    const Matrix weight = noise(outs[p], k, static_cast<unsigned>(20 + p), 0.2F);
    const Matrix bias = noise(1, outs[p], static_cast<unsigned>(30 + p));
    LinearPart part = {.weight = host_tensor(weight), .bias = host_tensor({outs[p]}, bias.values)};
    std::vector<float> shown = bias.values;
    if (p == 1) {  // a part without a bias between two that have one
      part.bias = std::nullopt;
      shown.assign(shown.size(), 0.0F);
    }
    parts.push_back(part);
    stacked.rows += outs[p];
    stacked.values.insert(stacked.values.end(), weight.values.begin(), weight.values.end());
    biases.insert(biases.end(), shown.begin(), shown.end());
  }
  const LinearWeight packed = backend().linear_weight(parts);
  EXPECT_EQ(packed.out_features, 72);
  const Expected expected = reference_linear(x, stacked, biases, Activation::kNone, nullptr);
  with_ops([&](Ops& ops) { expect_matches(ops, ops.linear(upload(ops, x), packed), expected); });
}

TEST_P(OpsSuite, LinearWidensHalves) {
  const Matrix x = noise(7, 96, 12);
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    const HalfWeight weight = half_weight(dtype, 33, 96, 13);
    HalfWeight bias = half_weight(dtype, 1, 33, 14);
    bias.tensor.shape = {33};
    const LinearWeight packed = backend().linear_weight(std::array{LinearPart{weight.tensor, bias.tensor}});
    const Expected expected = reference_linear(x, weight.values, bias.values.values, Activation::kNone, nullptr);
    with_ops([&](Ops& ops) {
      expect_matches(ops, ops.linear(upload(ops, x), packed), expected, std::string(to_string(dtype)));
    });
  }
}

TEST_P(OpsSuite, LinearReadsColumnViews) {
  const Matrix wide = noise(13, 96, 15);
  const Matrix weight = noise(31, 32, 16, 0.2F);
  Matrix x(13, 32);
  Matrix residual(13, 31);
  for (int r = 0; r < 13; ++r) {
    for (int c = 0; c < 32; ++c) {
      x.at(r, c) = static_cast<float>(wide.at(r, 7 + c));
    }
    for (int c = 0; c < 31; ++c) {
      residual.at(r, c) = static_cast<float>(wide.at(r, 64 + c));
    }
  }
  const LinearWeight packed = backend().linear_weight(std::array{LinearPart{host_tensor(weight), std::nullopt}});
  const Expected expected = reference_linear(x, weight, {}, Activation::kTanh, &residual);
  with_ops([&](Ops& ops) {
    const Tensor all = upload(ops, wide);
    expect_matches(ops, ops.linear(ops.columns(all, 7, 32), packed, Activation::kTanh, ops.columns(all, 64, 31)),
                   expected);
  });
}

TEST_P(OpsSuite, WeightsWithoutDataGiveEmptyHandles) {
  const HostTensor missing = {.dtype = DType::kFloat32, .shape = {4, 4}, .data = nullptr, .owner = nullptr};
  const HostTensor missing_row = {.dtype = DType::kFloat32, .shape = {4}, .data = nullptr, .owner = nullptr};
  const HostTensor square = host_tensor(noise(4, 4, 17));
  EXPECT_EQ(backend().embedding_table(missing).storage, nullptr);
  EXPECT_EQ(backend().linear_weight(std::array{LinearPart{missing, std::nullopt}}).storage, nullptr);
  EXPECT_EQ(backend().linear_weight(std::array{LinearPart{square, missing_row}}).storage, nullptr);
  EXPECT_EQ(
      backend().linear_weight(std::array{LinearPart{square, std::nullopt}, LinearPart{missing, std::nullopt}}).storage,
      nullptr);
  EXPECT_EQ(backend().norm_weight(missing_row, std::nullopt).storage, nullptr);
  EXPECT_EQ(backend().norm_weight(host_tensor({4}, noise(1, 4, 18).values), missing_row).storage, nullptr);
}

TEST_P(OpsSuite, ProductsOfNoRowsAreEmpty) {
  const Matrix weight = noise(8, 4, 19);
  const LinearWeight packed = backend().linear_weight(std::array{LinearPart{host_tensor(weight), std::nullopt}});
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, Matrix(0, 4));
    EXPECT_EQ(x.rows(), 0);
    expect_equal(ops, ops.linear(x, packed, Activation::kGeluErf), Matrix(0, 8));
    expect_equal(ops, ops.linear(x, packed, Activation::kNone, upload(ops, Matrix(0, 8))), Matrix(0, 8));
  });
}

TEST_P(OpsSuite, GatherSumRefusesWrongShapes) {
  const EmbeddingTable table = backend().embedding_table(host_tensor(noise(5, 4, 20)));
  const EmbeddingTable wider = backend().embedding_table(host_tensor(noise(5, 6, 21)));
  const std::vector<std::int32_t> good = {0, 4};
  const std::vector<std::int32_t> high = {0, 5};
  const std::vector<std::int32_t> negative = {-1, 0};
  with_ops([&](Ops& ops) {
    const auto refuse = [&](std::vector<Lookup> lookups, const char* what) {
      expect_refused([&] { (void)ops.gather_sum(lookups); }, what);
    };
    refuse({}, "no tables");
    refuse({{&table, high}}, "an id that is too large");
    refuse({{&table, negative}}, "a negative id");
    refuse({{&table, good}, {&wider, good}}, "tables of different widths");
    refuse({{&table, good}, {&table, std::span(good).first(1)}}, "different numbers of ids");
  });
}

TEST_P(OpsSuite, LinearRefusesWrongShapes) {
  const LinearWeight packed = backend().linear_weight(std::array{LinearPart{host_tensor(noise(8, 4, 22)), {}}});
  with_ops([&](Ops& ops) {
    const Tensor x = upload(ops, noise(3, 4, 23));
    const auto refuse = [&](const Tensor& input, const Tensor& residual, const char* what) {
      expect_refused([&] { (void)ops.linear(input, packed, Activation::kNone, residual); }, what);
    };
    refuse(upload(ops, noise(3, 5, 24)), Tensor(), "an input that is too wide");
    refuse(x, upload(ops, noise(3, 4, 25)), "a residual that is too narrow");
    refuse(x, upload(ops, noise(2, 8, 26)), "a residual with too few rows");
  });
}

}  // namespace mlxe::testing
