// Tests of precisions through the backend: why one is chosen, what int8 refuses, and equal bits from teams.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "support/expect_error.h"
#include "support/ops_fixture.h"

namespace mlxe::testing {
namespace {

std::vector<float> linear_rows(cpu::CpuPrecision precision, int threads, int rows, int columns, int k = 70) {
  const std::unique_ptr<Backend> backend = cpu::make_cpu_backend({.precision = precision, .threads = threads});
  const LinearWeight weight =
      backend->linear_weight(std::array{LinearPart{host_tensor(noise(columns, k, 1, 0.2F)), std::nullopt}});
  const EmbeddingTable table = backend->embedding_table(host_tensor(noise(rows, k, 2)));
  std::vector<std::int32_t> ids;
  for (int row = 0; row < rows; ++row) {
    ids.push_back(row);
  }
  std::vector<float> out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
    ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight, Activation::kGeluErf), out);
  });
  return out;
}

TEST(CpuPrecision, FewRowsGiveTheBitsOfManyAtEveryPrecision) {
  constexpr int kColumns = 100;
  constexpr int kFeatures = 1'501;  // panels of few rows are taken in parts
  cpu::for_each_precision([](cpu::CpuPrecision precision, const std::string& what) {
    const std::vector<float> many = linear_rows(precision, 1, 40, kColumns, kFeatures);
    for (const int rows : {1, 7, 12, 16, 17}) {
      EXPECT_EQ(linear_rows(precision, 1, rows, kColumns, kFeatures),
                std::vector<float>(many.begin(), many.begin() + rows * kColumns))
          << what << ", " << rows << " rows";
    }
  });
}

TEST(CpuPrecision, TeamsGiveTheSameBitsAtEveryPrecision) {
  cpu::for_each_precision([](cpu::CpuPrecision precision, const std::string& what) {
    // Shared out by panels, of which each member has one, then many; and by rows.
    for (const auto& [rows, columns] : {std::pair(5, 100), std::pair(14, 2000), std::pair(300, 100)}) {
      EXPECT_EQ(linear_rows(precision, 1, rows, columns), linear_rows(precision, 3, rows, columns))
          << what << ", " << rows << " rows, " << columns << " columns";
    }
  });
}

/// To the nearest bf16, ties to even, in plain integers.
std::uint16_t nearest_bf16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t below = bits & 0xFFFFU;
  std::uint32_t kept = bits >> 16U;
  if (below > 0x8000U || (below == 0x8000U && (kept & 1U) != 0)) {
    ++kept;
  }
  return static_cast<std::uint16_t>(kept);
}

TEST(CpuPrecision, Bf16RowsAreRoundedToTheNearest) {
  std::vector<float> x = {0.0F,
                          -0.0F,
                          std::bit_cast<float>(0x3F808000U),  // a tie below an odd number, and one above
                          std::bit_cast<float>(0x3F818000U),
                          std::bit_cast<float>(0xBF808001U),
                          std::bit_cast<float>(0x3FFFFFFFU),  // up into the exponent
                          std::numeric_limits<float>::max(),  // to infinity
                          std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()};
  for (const float value : noise(1, 200, 7).values) {
    x.push_back(value);
  }
  const auto count = static_cast<int>(x.size());
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    for (const int size : {count, count - 1, 3}) {
      const int words = cpu::num_words(*isa.bf16, size);
      std::vector<std::uint16_t> rounded(2 * static_cast<std::size_t>(words) + 1, 0xFFFF);
      isa.bf16->prepare_rows(x.data(), count, 1, size, rounded.data(), count, nullptr, nullptr);
      for (int i = 0; i < size; ++i) {
        ASSERT_EQ(rounded[static_cast<std::size_t>(i)], nearest_bf16(x[static_cast<std::size_t>(i)]))
            << isa.name << ": " << x[static_cast<std::size_t>(i)];
      }
      // The last words are filled up, and no more.
      EXPECT_EQ(std::ranges::count(rounded.begin() + size, rounded.end() - 1, 0), 2 * words - size)
          << isa.name << ", " << size;
      EXPECT_EQ(rounded.back(), 0xFFFF) << isa.name << ", " << size;
    }
    const float nan = std::bit_cast<float>(0x7F800001U);  // its only bit is one that is cut off
    std::array<std::uint16_t, 32> bits = {};
    isa.bf16->prepare_rows(&nan, 1, 1, 1, bits.data(), 16, nullptr, nullptr);
    EXPECT_GT(bits[0] & 0x7FFFU, 0x7F80U) << isa.name << ": a NaN became infinity";
  }
}

TEST(CpuPrecision, Bf16SaysWhereItOnlySavesMemory) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    const cpu::ForcedIsa forced(isa.name);
    const auto info = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kBf16, .threads = 1})->info();
    EXPECT_EQ(info.precision, "bf16");
    EXPECT_EQ(
        info.precision_reason.find("it saves memory if the checkpoint is float32, but no time") != std::string::npos,
        isa.bf16_is_widened)
        << info.precision_reason;
  }
}

TEST(CpuPrecision, AutoNamesTheInstructionSetThatIsForced) {
  const cpu::ForcedIsa forced("portable");
  const std::string reason = cpu::make_cpu_backend({.precision = {}, .threads = 1})->info().precision_reason;
  if (cpu::available_kernels().size() > 1) {
    EXPECT_EQ(
        reason,
        "auto: the instruction set 'portable', which MLXE_CPU_ISA forces, has dot products of neither bf16 nor int16");
  }
}

/// One product of a backend at int8: rows of x times w, transposed, with bias, activation and residual.
struct Int8Layer {
  Matrix w;
  Matrix x;
  Matrix bias;

  [[nodiscard]] std::vector<float> rows(std::vector<std::int32_t> ids, Activation activation, int threads = 1) const {
    const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kInt8, .threads = threads});
    const LinearWeight weight =
        backend->linear_weight(std::array{LinearPart{host_tensor(w), host_tensor({w.rows}, bias.values)}});
    const EmbeddingTable table = backend->embedding_table(host_tensor(x));
    std::vector<float> y(ids.size() * static_cast<std::size_t>(w.rows));
    backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
      const Tensor in = ops.gather_sum(std::array{Lookup{&table, ids}});
      const Tensor residual = ops.columns(in, 0, w.rows);
      ops.read(ops.linear(in, weight, activation, residual), y);
    });
    return y;
  }
  [[nodiscard]] double exact(int row, int column) const {
    double sum = static_cast<double>(bias.values[static_cast<std::size_t>(column)]);
    for (int p = 0; p < w.columns; ++p) {
      sum += x.at(row, p) * w.at(column, p);
    }
    return sum;
  }
};

template <class Body>
void for_int8_sets(const Body& body) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    if (isa.int8 != nullptr) {
      const cpu::ForcedIsa forced(isa.name);
      SCOPED_TRACE(isa.name);
      body(isa);
    }
  }
}

/// Why a backend at int8 has the precision it has, after it has packed some weights.
std::string reason_of_int8(const std::vector<Matrix>& weights) {
  const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kInt8, .threads = 1});
  for (const Matrix& weight : weights) {
    static_cast<void>(backend->linear_weight(std::array{LinearPart{host_tensor(weight), std::nullopt}}));
  }
  return backend->info().precision_reason;
}

TEST(CpuPrecision, Int8SpreadsFarValues) {
  constexpr int kOut = 70;
  constexpr int kIn = 200;
  Int8Layer layer{.w = noise(kOut, kIn, 1), .x = noise(9, kIn, 2), .bias = noise(1, kOut, 3)};
  for (const int row : {2, 4, 7}) {
    layer.x.values[static_cast<std::size_t>(row * kIn + 5)] = 100.0F;
  }
  for (int j = 0; j < kOut; ++j) {
    layer.w.values[static_cast<std::size_t>(j * kIn + 100)] = 30.0F;
  }
  for_int8_sets([&](const cpu::KernelTable& /*isa*/) {
    EXPECT_EQ(reason_of_int8({layer.w}), "asked for") << "the weight as it comes would be spared";
    for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
      const std::vector<float> all = layer.rows({0, 1, 2, 3, 4, 5, 6, 7, 8}, activation);
      double squares = 0.0;
      for (const int row : {2, 4, 7}) {
        for (int j = 0; j < kOut; ++j) {
          const double sum = layer.exact(row, j);
          const double want = (activation == Activation::kRelu ? std::max(sum, 0.0) : sum) + layer.x.at(row, j);
          squares += std::pow(all[static_cast<std::size_t>(row * kOut + j)] - want, 2) / (3.0 * kOut);
        }
      }
      // Steps of 100 / 255 and 30 / 127 of values as they come would leave a deviation of 8. Spread over 64, the far
      // ones are an eighth, and normal values reach 4: that leaves 1.8, or 2.6 where the sums of weights are limited.
      EXPECT_LT(std::sqrt(squares), activation == Activation::kRelu ? 2.0 : 3.2);
      for (const int row : {2, 3, 4, 7}) {
        EXPECT_TRUE(std::ranges::equal(layer.rows({row}, activation),
                                       std::span(all).subspan(static_cast<std::size_t>(row * kOut), kOut)))
            << "row " << row << " has other bits alone";
      }
      EXPECT_EQ(layer.rows({0, 1, 2, 3, 4, 5, 6, 7, 8}, activation, 3), all);
      std::vector<std::int32_t> many;  // shared out by rows
      for (int i = 0; i < 300; ++i) {
        many.push_back(i % 9);
      }
      const std::vector<float> of_many = layer.rows(many, activation, 3);
      for (std::size_t i = 0; i < many.size(); ++i) {
        ASSERT_TRUE(std::ranges::equal(std::span(of_many).subspan(i * kOut, kOut),
                                       std::span(all).subspan(static_cast<std::size_t>(many[i]) * kOut, kOut)))
            << i;
      }
    }
  });
}

TEST(CpuPrecision, Int8KeepsNanToItsRowAndColumn) {
  constexpr int kOut = 70;
  constexpr int kIn = 200;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Int8Layer layer{.w = noise(kOut, kIn, 1), .x = noise(9, kIn, 2), .bias = noise(1, kOut, 3)};
    layer.x.values[4 * kIn + 100] = bad;  // in no block at the end, whose NaN would outlive the search for the largest
    layer.w.values[33 * kIn + 5] = -bad;
    for_int8_sets([&](const cpu::KernelTable& /*isa*/) {
      const std::vector<float> all = layer.rows({0, 1, 2, 3, 4, 5, 6, 7, 8}, Activation::kNone);
      for (int row = 0; row < 9; ++row) {
        for (int j = 0; j < kOut; ++j) {
          ASSERT_EQ(std::isfinite(all[static_cast<std::size_t>(row * kOut + j)]), row != 4 && j != 33)
              << bad << ": " << row << ", " << j;
        }
      }
    });
  }
}

TEST(CpuPrecision, Int8SparesWeightsThatWouldLoseTooMuch) {
  constexpr int kOut = 260;  // packed in two pieces
  constexpr int kIn = 4096;
  Int8Layer layer{.w = noise(kOut, kIn, 1), .x = noise(5, kIn, 2), .bias = noise(1, kOut, 3)};
  const auto told = [&] { return reason_of_int8({noise(40, 50, 4), layer.w}); };
  for_int8_sets([&](const cpu::KernelTable& /*isa*/) { EXPECT_EQ(told(), "asked for"); });
  for (int j = 1; j < 100; j += 2) {  // in one of the pieces, and not in the first row of a panel
    layer.w.values[static_cast<std::size_t>(j * kIn + 5)] = 1000.0F;
  }
  for (int row = 0; row < layer.x.rows; ++row) {
    layer.x.values[static_cast<std::size_t>(row * kIn + 5)] = 0.0F;
  }
  for_int8_sets([&](const cpu::KernelTable& isa) {
    const char* spare = isa.int16 != nullptr && isa.bf16->rows_at_once == 1 ? "int16" : "bf16";
    EXPECT_EQ(told(),
              std::string("asked for; 1 of 2 weights stay at ") + spare + ", as int8 would lose over 1.5 % of them");
    const std::vector<float> all = layer.rows({0, 1, 2, 3, 4}, Activation::kNone);
    for (int row = 0; row < layer.x.rows; ++row) {
      for (int j = 0; j < kOut; ++j) {
        // int8 would leave a deviation of 129 / 127 / sqrt(12) over 4,096 values, 19; bf16 one of 0.2, and int16 one of
        // 0.5, as its steps follow a row's length: five of those.
        ASSERT_NEAR(all[static_cast<std::size_t>(row * kOut + j)], layer.exact(row, j) + layer.x.at(row, j), 2.5)
            << row << ", " << j;
      }
    }
  });
}

TEST(CpuPrecision, Int8RefusesSumsThatLeave32Bits) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    if (isa.int8 == nullptr) {
      continue;
    }
    const cpu::ForcedIsa forced(isa.name);
    const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kInt8, .threads = 1});
    const auto load = [&](int in) {
      return backend->linear_weight(std::array{LinearPart{host_tensor(Matrix(1, in)), std::nullopt}});
    };
    EXPECT_EQ(load(66'304).in_features, 66'304);
    EXPECT_ERROR(kUnsupported, "has 66305 input features, wanted at most 66304 at int8", load(66'305));
    // The largest sum that is allowed: each block's first value makes all of what it is rotated to alike.
    constexpr int kMost = 66'304;
    const Matrix ones = [] {
      Matrix matrix(1, kMost);
      for (std::size_t i = 0; i < matrix.values.size(); i += 64) {
        matrix.values[i] = 1.0F;
      }
      return matrix;
    }();
    const LinearWeight weight = backend->linear_weight(std::array{LinearPart{host_tensor(ones), std::nullopt}});
    const EmbeddingTable table = backend->embedding_table(host_tensor(ones));
    const std::vector<std::int32_t> ids = {0};
    std::vector<float> sum(1);
    backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
      ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight), sum);
    });
    constexpr float kWanted = kMost / 64.0F;
    EXPECT_NEAR(sum[0], kWanted, kWanted * 0.02F) << isa.name;  // pairs of ones have 63.5 steps each: 64 of them
  }
}

}  // namespace
}  // namespace mlxe::testing
