// Tests of quantised weights in the CPU backend: a layer that stays quantised has the bits of one expanded at load; at
// int16, whose steps then come from the range of the codes, nearly those.
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "backend_cpu/linear_layer.h"
#include "support/ops_fixture.h"
#include "support/quantized_tensors.h"

namespace mlxe::testing {
namespace {

void in_turn(std::size_t count, const std::function<void(std::size_t)>& f) {
  for (std::size_t i = 0; i < count; ++i) {
    f(i);
  }
}

Layer expanded_layer(const Layer& layer) {
  Layer wide = layer;
  for (LinearPart& part : wide.parts) {
    part.weight = expanded(part.weight);
  }
  return wide;
}

/// One part of each format; every second one has a bias.
Layer layer_of(const std::vector<QuantizationFormat>& formats, const std::vector<int>& outs, int in, DType scales) {
  Layer layer{.parts = {}, .in = in, .out = 0};
  unsigned seed = 1;
  for (std::size_t i = 0; i < formats.size(); ++i) {
    layer.parts.push_back({quantized_tensor(formats[i], outs[i], in, scales, seed++), std::nullopt});
    if (i % 2 == 0) {
      layer.parts.back().bias = host_tensor({outs[i]}, noise(1, outs[i], seed++).values);
    }
    layer.out += outs[i];
  }
  return layer;
}

/// Those that keep codes.
template <class Body>
void for_all_precisions(const Body& body) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    const cpu::ForcedIsa forced(isa.name);
    for (const auto& [precision, kernels] :
         {std::pair(cpu::CpuPrecision::kFp32, isa.fp32), std::pair(cpu::CpuPrecision::kBf16, isa.bf16)}) {
      if (kernels != nullptr) {
        SCOPED_TRACE(fmt::format("{}, {}", isa.name, kernels->precision));
        body(precision);
      }
    }
  }
}

TEST(CpuQuantized, EveryFormatHasTheBitsOfItsExpansion) {
  for (const QuantizationFormat& format : all_formats()) {
    SCOPED_TRACE(to_string(format));
    const Layer layer = layer_of({format}, {65}, 256, DType::kFloat16);
    const Layer wide = expanded_layer(layer);
    for_all_precisions([&](cpu::CpuPrecision precision) {
      for (const int rows : {0, 1, 7}) {
        EXPECT_EQ(product(precision, 1, rows, layer), product(precision, 1, rows, wide)) << rows << " rows";
      }
    });
  }
}

TEST(CpuQuantized, EveryTypeOfScalesHasTheBitsOfItsExpansion) {
  for (const DType scales : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    const Layer layer = layer_of({{QuantizationMode::kAffine, 4, 64}}, {48}, 128, scales);
    const Layer wide = expanded_layer(layer);
    for_all_precisions([&](cpu::CpuPrecision precision) {
      EXPECT_EQ(product(precision, 1, 5, layer), product(precision, 1, 5, wide)) << to_string(scales);
    });
  }
}

TEST(CpuQuantized, TeamsAndManyRowsGiveTheSameBits) {
  const Layer layer = layer_of({{QuantizationMode::kAffine, 4, 32}}, {100}, 64, DType::kBFloat16);
  const Layer wide = expanded_layer(layer);
  for_all_precisions([&](cpu::CpuPrecision precision) {
    for (const int rows : {1, 95, 300, 1100}) {  // the last in two pieces
      const std::vector<float> wanted = product(precision, 1, rows, wide);
      for (const int threads : {1, 3}) {
        EXPECT_EQ(product(precision, threads, rows, layer), wanted) << rows << " rows, " << threads << " threads";
      }
    }
  });
}

TEST(CpuQuantized, StackedPartsMayDifferInFormat) {
  const QuantizationFormat four{QuantizationMode::kAffine, 4, 64};
  const QuantizationFormat eight{QuantizationMode::kAffine, 8, 32};
  for (const std::vector<int>& outs :
       {std::vector{96, 96, 50}, std::vector{17, 33, 50}}) {  // at the edges of panels, and within them
    const Layer layer = layer_of({four, four, eight}, outs, 64, DType::kFloat16);
    const Layer wide = expanded_layer(layer);
    for_all_precisions([&](cpu::CpuPrecision precision) {
      EXPECT_EQ(product(precision, 1, 9, layer), product(precision, 1, 9, wide)) << outs[0];
    });
  }
}

TEST(CpuQuantized, Int8KeepsNoCodesAndMultipliesWhatTheyStandFor) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    if (isa.int8 == nullptr) {
      continue;
    }
    const cpu::ForcedIsa forced(isa.name);
    for (const QuantizationFormat& format : all_formats()) {
      SCOPED_TRACE(fmt::format("{}, {}", isa.name, to_string(format)));
      constexpr int kIn = 256;
      constexpr int kOut = 65;
      constexpr int kRows = 7;
      const Layer layer = layer_of({format}, {kOut}, kIn, DType::kFloat16);
      cpu::WeightMemory memory;
      const LinearWeight packed = cpu::pack_linear(*isa.int8, nullptr, memory, in_turn, layer.parts);
      EXPECT_TRUE(static_cast<const cpu::PackedLinear&>(*packed.storage).quantized.empty());
      EXPECT_NE(static_cast<const cpu::PackedLinear&>(*packed.storage).panels.data, nullptr);

      const Matrix x = noise(kRows, kIn, 2);
      std::vector<float> w(static_cast<std::size_t>(kIn * kOut));
      dequantize(layer.parts[0].weight, 0, kOut, w.data());
      const std::vector<float> bias = noise(1, kOut, 2).values;  // the second seed of layer_of
      const std::unique_ptr<Backend> backend =
          cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kInt8, .threads = 1});
      const LinearWeight weight = backend->linear_weight(layer.parts);
      const EmbeddingTable table = backend->embedding_table(host_tensor(x));
      const std::vector<std::int32_t> ids = {0, 1, 2, 3, 4, 5, 6};
      std::vector<float> y(static_cast<std::size_t>(kRows * kOut));
      backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
        ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight), y);
      });
      for (int r = 0; r < kRows; ++r) {
        double smallest = 0;
        double largest = 0;
        for (int p = 0; p < kIn; ++p) {
          smallest = std::min(smallest, x.at(r, p));
          largest = std::max(largest, x.at(r, p));
        }
        const double x_step = (largest - smallest) / 255;
        for (int j = 0; j < kOut; ++j) {
          const float* row = w.data() + static_cast<std::ptrdiff_t>(j) * kIn;
          double w_step = 0;  // of a pair's magnitudes at most
          for (int p = 0; p < kIn; p += 2) {
            w_step = std::max(
                w_step, (std::abs(static_cast<double>(row[p])) + std::abs(static_cast<double>(row[p + 1]))) / 127);
          }
          double sum = static_cast<double>(bias[static_cast<std::size_t>(j)]);
          double bound = 1e-4;  // the sum of float32 outside of the products
          for (int p = 0; p < kIn; ++p) {
            sum += x.at(r, p) * static_cast<double>(row[p]);
            // Both factors are off by half a step at most.
            bound += std::abs(x.at(r, p)) * w_step / 2 + std::abs(static_cast<double>(row[p])) * x_step / 2 +
                     x_step * w_step / 4;
          }
          ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(r * kOut + j)]), sum, bound) << r << ", " << j;
        }
      }
    }
  }
}

/// Sums of a layer of int16 beside those of its values in double, as a share of the lengths of row and column: steps of
/// 1 / 45,000 of the lengths would leave 9e-6, 4e-5 in the worst of 10,000; columns that only the range of their codes
/// bounds have steps up to three times as coarse.
double worst_share(const Layer& layer, const Matrix& x, const std::vector<float>& y) {
  double worst = 0.0;
  int column = 0;
  for (const LinearPart& part : layer.parts) {
    const int out = part.weight.shape[0];
    std::vector<float> w(static_cast<std::size_t>(layer.in) * static_cast<std::size_t>(out));
    dequantize(part.weight, 0, static_cast<std::size_t>(out), w.data());
    for (int j = 0; j < out; ++j, ++column) {
      const float* row = w.data() + static_cast<std::ptrdiff_t>(j) * layer.in;
      for (int r = 0; r < x.rows; ++r) {
        double sum = 0.0;
        double x_squares = 0.0;
        double w_squares = 0.0;
        for (int p = 0; p < layer.in; ++p) {
          sum += x.at(r, p) * static_cast<double>(row[p]);
          x_squares += x.at(r, p) * x.at(r, p);
          w_squares += static_cast<double>(row[p]) * static_cast<double>(row[p]);
        }
        const double got = static_cast<double>(y[static_cast<std::size_t>(r * layer.out + column)]);
        worst = std::max(worst, std::abs(got - sum) / (std::sqrt(x_squares * w_squares) + 1e-30));
      }
    }
  }
  return worst;
}

TEST(CpuQuantized, Int16KeepsCodesAndIsNearTheirValues) {
  constexpr int kIn = 256;
  std::vector<Layer> layers;
  for (const QuantizationFormat& format : all_formats()) {
    layers.push_back(layer_of({format}, {65}, kIn, DType::kFloat16));
  }
  const QuantizationFormat four{QuantizationMode::kAffine, 4, 64};
  layers.push_back(layer_of({four, {QuantizationMode::kAffine, 8, 32}}, {96, 50}, kIn, DType::kFloat16));
  const Matrix x = noise(9, kIn, 2);
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    if (isa.int16 == nullptr) {
      continue;
    }
    const cpu::ForcedIsa forced(isa.name);
    for (Layer& layer : layers) {
      const QuantizationFormat& format = layer.parts[0].weight.quantization->format;
      SCOPED_TRACE(fmt::format("{}, {}, {} parts", isa.name, to_string(format), layer.parts.size()));
      for (LinearPart& part : layer.parts) {
        part.bias.reset();
      }
      cpu::WeightMemory memory;
      const LinearWeight packed = cpu::pack_linear(*isa.int16, nullptr, memory, in_turn, layer.parts);
      EXPECT_EQ(static_cast<const cpu::PackedLinear&>(*packed.storage).quantized.empty(),
                format.mode == QuantizationMode::kMxfp8);  // its codes may be NaN
      std::vector<std::vector<float>> found;
      for (const int threads : {1, 3}) {
        const auto backend = cpu::make_cpu_backend({.precision = cpu::CpuPrecision::kInt16, .threads = threads});
        const LinearWeight weight = backend->linear_weight(layer.parts);
        const EmbeddingTable table = backend->embedding_table(host_tensor(x));
        const std::vector<std::int32_t> ids = {0, 1, 2, 3, 4, 5, 6, 7, 8};
        std::vector<float>& y = found.emplace_back(static_cast<std::size_t>(x.rows * layer.out));
        backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
          ops.read(ops.linear(ops.gather_sum(std::array{Lookup{&table, ids}}), weight), y);
        });
      }
      EXPECT_LT(worst_share(layer, x, found[0]), 1e-4);
      EXPECT_EQ(found[0], found[1]);
    }
  }
}

TEST(CpuQuantized, Int16KeepsNanAndInfinityOfScalesInTheirColumns) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      if (isa.int16 == nullptr) {
        continue;
      }
      const cpu::ForcedIsa forced(isa.name);
      Layer layer = layer_of({{QuantizationMode::kAffine, 4, 64}}, {65}, 128, DType::kFloat32);
      auto poisoned = std::make_shared<Quantization>(*layer.parts[0].weight.quantization);
      std::vector<float> scales(65 * 2);
      std::memcpy(scales.data(), poisoned->scales.data, scales.size() * sizeof(float));
      scales[2 * 33] = bad;
      poisoned->scales.data = reinterpret_cast<const std::byte*>(scales.data());
      layer.parts[0].weight.quantization = poisoned;
      const std::vector<float> y = product(cpu::CpuPrecision::kInt16, 1, 2, layer);
      for (std::size_t i = 0; i < y.size(); ++i) {
        ASSERT_EQ(std::isfinite(y[i]), i % 65 != 33) << isa.name << ", " << bad << ", value " << i;
      }
    }
  }
}

TEST(CpuQuantized, WeightsStayQuantisedUnlessFormatsMeetWithinAPanel) {
  cpu::WeightMemory memory;
  const cpu::MatrixKernels& kernels = *cpu::available_kernels()[0].fp32;
  const int width = kernels.panel_width;
  const QuantizationFormat four{QuantizationMode::kAffine, 4, 64};
  const QuantizationFormat eight{QuantizationMode::kAffine, 8, 32};
  const auto runs = [&](const std::vector<QuantizationFormat>& formats, const std::vector<int>& outs) {
    const LinearWeight weight =
        cpu::pack_linear(kernels, nullptr, memory, in_turn, layer_of(formats, outs, 64, DType::kFloat16).parts);
    const auto& packed = static_cast<const cpu::PackedLinear&>(*weight.storage);
    EXPECT_EQ(packed.quantized.empty(), packed.panels.data != nullptr);
    return packed.quantized.size();
  };
  EXPECT_EQ(runs({four, four}, {width + 1, 5}), 1U);
  EXPECT_EQ(runs({four, eight}, {width, 5}), 2U);
  EXPECT_EQ(runs({four, eight}, {width - 1, 5}), 0U);
}

TEST(CpuQuantized, LargeWeightsAreLaidOutInPieces) {
  const QuantizationFormat four{QuantizationMode::kAffine, 4, 64};
  // 1,100 rows of 256 words are more than twice what a piece has; the parts meet inside a panel.
  const Layer layer = layer_of({four, four}, {605, 495}, 2048, DType::kFloat16);
  Layer wide = layer;
  for (LinearPart& part : wide.parts) {
    part.weight = expanded(part.weight);
  }
  for (const int threads : {1, 3}) {
    EXPECT_EQ(product(cpu::CpuPrecision::kFp32, threads, 2, layer),
              product(cpu::CpuPrecision::kFp32, threads, 2, wide));
  }
}

TEST(CpuQuantized, APartMayStandBesideOneThatIsNotQuantised) {
  Layer layer = layer_of({{QuantizationMode::kAffine, 4, 64}}, {96}, 64, DType::kFloat16);
  layer.parts.push_back({host_tensor(noise(20, 64, 5)), std::nullopt});
  layer.out += 20;
  Layer wide = layer;
  wide.parts[0].weight = expanded(wide.parts[0].weight);
  for_all_precisions(
      [&](cpu::CpuPrecision precision) { EXPECT_EQ(product(precision, 1, 9, layer), product(precision, 1, 9, wide)); });
}

TEST(CpuQuantized, TablesAreExpandedRowByRow) {
  for (const QuantizationFormat& format : all_formats()) {
    const HostTensor weight = quantized_tensor(format, 10, 128, DType::kBFloat16, 4);
    const std::unique_ptr<Backend> backend = cpu::make_cpu_backend({.precision = {}, .threads = 1});
    const EmbeddingTable table = backend->embedding_table(weight);
    const EmbeddingTable wide = backend->embedding_table(expanded(weight));
    const std::vector<std::int32_t> ids = {9, 0, 3, 3};
    std::vector<float> actual(ids.size() * 128);
    std::vector<float> wanted(actual.size());
    backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
      ops.read(ops.gather_sum(std::array{Lookup{&table, ids}, Lookup{&wide, ids}}), actual);
      ops.read(ops.gather_sum(std::array{Lookup{&wide, ids}, Lookup{&table, ids}}), wanted);
    });
    EXPECT_EQ(actual, wanted) << to_string(format);
    EXPECT_NE(actual, std::vector<float>(actual.size()));
  }
}

}  // namespace
}  // namespace mlxe::testing
