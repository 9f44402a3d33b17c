// Tests of weights of 16 bits at fp32: they stay that narrow, and products have the bits of weights widened at load.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "backend_cpu/linear_layer.h"
#include "base/half.h"
#include "support/ops_fixture.h"
#include "support/quantized_tensors.h"

namespace mlxe::testing {
namespace {

constexpr DType kTypes[] = {DType::kBFloat16, DType::kFloat16};

/// A layer of parts of 16 bits, and the same of float32.
struct Twins {
  Layer narrow;
  Layer wide;
};

Twins twins(const std::vector<DType>& types, const std::vector<int>& outs, int in) {
  Twins layers;
  layers.narrow.in = in;
  layers.wide.in = in;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto seed = static_cast<unsigned>(i) + 1;
    const HalfWeight half = half_weight(types[i], outs[i], in, seed, /*smallest=*/14);
    std::optional<HostTensor> bias;
    if (i % 2 == 0) {
      bias = host_tensor({outs[i]}, noise(1, outs[i], seed + 10).values);
    }
    layers.narrow.parts.push_back({half.tensor, bias});
    layers.wide.parts.push_back({host_tensor(half.values), bias});
    layers.narrow.out += outs[i];
    layers.wide.out += outs[i];
  }
  return layers;
}

template <class Body>
void for_all_sets(const Body& body) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    const cpu::ForcedIsa forced(isa.name);
    SCOPED_TRACE(isa.name);
    body();
  }
}

void expect_same_bits(const Twins& layers, int threads, int rows) {
  const auto precision = cpu::CpuPrecision::kFp32;
  EXPECT_EQ(product(precision, threads, rows, layers.narrow), product(precision, threads, rows, layers.wide))
      << rows << " rows, " << threads << " threads";
}

/// Whether the set that is forced has products for such weights.
bool takes(DType type) {
  const cpu::MatrixKernels& kernels = *cpu::choose_kernels().fp32;
  return (type == DType::kFloat16 ? kernels.gemm_of_fp16 : kernels.gemm_of_bf16) != nullptr;
}
bool has_halves(const LinearWeight& weight) {
  return static_cast<const cpu::PackedLinear&>(*weight.storage).has_halves;
}
LinearWeight pack(const Layer& layer, cpu::CpuPrecision precision = cpu::CpuPrecision::kFp32) {
  return cpu::make_cpu_backend({.precision = precision, .threads = 1})->linear_weight(layer.parts);
}

TEST(CpuHalves, AnyNumberOfRowsHasTheBitsOfWideWeights) {
  for (const DType type : kTypes) {
    // k of several parts of a panel where rows are few, and of half a round more than whole ones.
    const Twins layers = twins({type}, {65}, 780);
    for_all_sets([&] {
      for (const int rows : {0, 1, 7, 8, 9, 13, 16, 17, 40, 130}) {
        expect_same_bits(layers, 1, rows);
      }
    });
  }
}

TEST(CpuHalves, TeamsHaveThoseBits) {
  for (const DType type : kTypes) {
    const Twins layers = twins({type}, {150}, 64);
    for_all_sets([&] {
      for (const int rows : {2, 100, 300}) {
        expect_same_bits(layers, 3, rows);
      }
    });
  }
}

TEST(CpuHalves, PartsThatMeetWithinAPanelHaveThoseBits) {
  for (const DType type : kTypes) {
    const Twins layers = twins({type, type, type}, {17, 33, 5}, 96);
    for_all_sets([&] { expect_same_bits(layers, 1, 9); });
  }
}

TEST(CpuHalves, LargeWeightsAreLaidOutInPieces) {
  for (const DType type : kTypes) {
    const Twins layers = twins({type, type}, {605, 495}, 2048);
    expect_same_bits(layers, 3, 2);
  }
}

TEST(CpuHalves, EveryNumberIsWidenedExactly) {
  constexpr int kIn = 64;
  constexpr int kOut = 65536 / kIn;
  for (const DType type : kTypes) {
    std::vector<std::byte> bytes(std::size_t{65536} * sizeof(std::uint16_t));
    std::vector<float> wanted(65536);
    for (unsigned i = 0; i < 65536; ++i) {
      const auto bits = static_cast<std::uint16_t>(i);
      const float value = type == DType::kFloat16 ? float16_to_float(bits) : bfloat16_to_float(bits);
      const std::uint16_t kept = std::isfinite(value) ? bits : 0;  // those that are not have a test of their own
      std::memcpy(bytes.data() + i * sizeof kept, &kept, sizeof kept);
      wanted[i] = std::isfinite(value) ? value : 0.0F;
    }
    // An activation of one 1 gives the weights of its feature.
    Matrix ones(kIn, kIn);
    for (int i = 0; i < kIn; ++i) {
      ones.values[static_cast<std::size_t>(i * kIn + i)] = 1.0F;
    }
    for_all_sets([&] {
      const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
      const LinearWeight weight =
          backend->linear_weight(std::array{LinearPart{owned_tensor(type, {kOut, kIn}, bytes), std::nullopt}});
      ASSERT_EQ(has_halves(weight), takes(type));
      const EmbeddingTable table = backend->embedding_table(host_tensor(ones));
      std::vector<float> out(std::size_t{kIn} * kOut);
      backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
        std::vector<std::int32_t> ids;
        for (int i = 0; i < kIn; ++i) {
          ids.push_back(i);
        }
        ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight), out);
      });
      for (int p = 0; p < kIn; ++p) {
        for (int j = 0; j < kOut; ++j) {
          ASSERT_EQ(out[static_cast<std::size_t>(p * kOut + j)], wanted[static_cast<std::size_t>(j * kIn + p)])
              << "feature " << p << " of row " << j;
        }
      }
    });
  }
}

TEST(CpuHalves, InfinityAndNanStay) {
  constexpr int kIn = 4;
  for (const DType type : kTypes) {
    const bool is_fp16 = type == DType::kFloat16;
    const std::uint16_t infinity = is_fp16 ? 0x7C00 : 0x7F80;
    const std::uint16_t one = is_fp16 ? 0x3C00 : 0x3F80;
    const std::uint16_t rows[3][kIn] = {{one, infinity, one, one},
                                        {one, one, static_cast<std::uint16_t>(0x8000U | infinity), one},
                                        {one, one, one, static_cast<std::uint16_t>(infinity + 1U)}};
    std::vector<std::byte> bytes(sizeof rows);
    std::memcpy(bytes.data(), rows, sizeof rows);
    for_all_sets([&] {
      const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
      const LinearWeight weight =
          backend->linear_weight(std::array{LinearPart{owned_tensor(type, {3, kIn}, bytes), std::nullopt}});
      ASSERT_EQ(has_halves(weight), takes(type));
      const EmbeddingTable table = backend->embedding_table(host_tensor({1, kIn}, std::vector<float>(kIn, 1.0F)));
      std::vector<float> out(3);
      backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
        const std::vector<std::int32_t> ids = {0};
        ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight), out);
      });
      EXPECT_EQ(out[0], std::numeric_limits<float>::infinity());
      EXPECT_EQ(out[1], -std::numeric_limits<float>::infinity());
      EXPECT_TRUE(std::isnan(out[2]));
    });
  }
}

TEST(CpuHalves, WeightsStayNarrowAtFp32OfOneTypeAndWholeSteps) {
  for (const DType type : kTypes) {
    for_all_sets([&] { EXPECT_EQ(has_halves(pack(twins({type, type}, {5, 20}, 32).narrow)), takes(type)); });
    EXPECT_FALSE(has_halves(pack(twins({type}, {5}, 32).wide)));
    EXPECT_FALSE(has_halves(pack(twins({type}, {5}, 32).narrow, cpu::CpuPrecision::kBf16)));
    EXPECT_FALSE(has_halves(pack(twins({type}, {5}, 30).narrow)));
    expect_same_bits(twins({type}, {5}, 30), 1, 3);
  }
  const Twins mixed = twins({DType::kBFloat16, DType::kFloat16}, {5, 20}, 32);
  EXPECT_FALSE(has_halves(pack(mixed.narrow)));
  expect_same_bits(mixed, 1, 3);
}

TEST(CpuHalves, InfoSaysHowManyStayNarrow) {
  const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kFp32, .threads = 1});
  const Twins layers = twins({DType::kBFloat16}, {5}, 32);
  const LinearWeight wide = backend->linear_weight(layers.wide.parts);
  EXPECT_EQ(backend->info().precision_reason, "asked for");
  const LinearWeight narrow = backend->linear_weight(layers.narrow.parts);
  EXPECT_EQ(backend->info().precision_reason,
            "asked for; 1 of 2 weights stay at 16 bits, as the checkpoint has them, and are widened on the way");
}

}  // namespace
}  // namespace mlxe::testing
