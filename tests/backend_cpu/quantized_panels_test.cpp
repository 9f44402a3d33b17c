// Tests of the panels of quantised weights: expanded on the way into a product, they have the bits of values that were
// expanded before they were packed.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/instruction_set.h"
#include "support/quantized_tensors.h"
#include "tensor/quantization.h"

namespace mlxe::testing {
namespace {

/// Values of a panel's words, widened: NaN compares by what it is, all others bit by bit.
std::vector<float> values_of(const cpu::MatrixKernels& kernels, const std::vector<std::uint32_t>& words) {
  std::vector<float> values;
  for (const std::uint32_t word : words) {
    if (kernels.values_per_word == 1) {
      values.push_back(std::bit_cast<float>(word));
    } else {
      values.push_back(std::bit_cast<float>(word << 16));
      values.push_back(std::bit_cast<float>(word & 0xFFFF0000U));
    }
  }
  return values;
}

/// Columns [0, count) of a quantised weight as one panel.
std::vector<std::uint32_t> expand(const cpu::MatrixKernels& kernels, const HostTensor& weight) {
  const QuantizationFormat& format = weight.quantization->format;
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  const int size = static_cast<int>(weight.shape[1]);
  const std::size_t words = row_words(format, size);
  const auto groups = static_cast<std::size_t>(size / format.group_size);
  std::vector<std::uint32_t> streams(words * width);
  std::vector<float> scales(groups * width);
  std::vector<float> biases(scales.size());
  for (std::size_t column = 0; column < width; ++column) {
    std::vector<float> row(groups);
    const auto spread = [&](const HostTensor& side, std::vector<float>& out) {
      widen_scales(format.mode, side.dtype, side.data + column * groups * size_bytes(side.dtype), groups, row.data());
      for (std::size_t group = 0; group < groups; ++group) {
        out[group * width + column] = row[group];
      }
    };
    spread(weight.quantization->scales, scales);
    if (weight.quantization->biases) {
      spread(*weight.quantization->biases, biases);
    }
    for (std::size_t word = 0; word < words; ++word) {
      std::memcpy(&streams[word * width + column], weight.data + (column * words + word) * 4, 4);
    }
  }
  std::vector<std::uint32_t> panel(width * static_cast<std::size_t>(cpu::num_words(kernels, size)));
  kernels.expand_panel({.words = streams.data(),
                        .scales = scales.data(),
                        .biases = weight.quantization->biases ? biases.data() : nullptr,
                        .has_exact_products = weight.quantization->scales.dtype != DType::kFloat32,
                        .out = panel.data(),
                        .k = size,
                        .panel_width = kernels.panel_width,
                        .group_size = format.group_size,
                        .bits = format.bits});
  return panel;
}

void expect_the_bits_of_dequantized(const cpu::MatrixKernels& kernels, const HostTensor& weight) {
  const int width = kernels.panel_width;
  const int size = static_cast<int>(weight.shape[1]);
  std::vector<float> rows(static_cast<std::size_t>(width) * static_cast<std::size_t>(size));
  dequantize(weight, 0, static_cast<std::size_t>(width), rows.data());
  std::vector<std::uint32_t> packed(rows.size() / static_cast<std::size_t>(kernels.values_per_word));
  kernels.pack_panel(rows.data(), width, size, packed.data(), nullptr, nullptr);
  const std::vector<float> wanted = values_of(kernels, packed);
  const std::vector<float> actual = values_of(kernels, expand(kernels, weight));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool equal = std::isnan(wanted[i])
                           ? std::isnan(actual[i])
                           : std::bit_cast<std::uint32_t>(wanted[i]) == std::bit_cast<std::uint32_t>(actual[i]);
    ASSERT_TRUE(equal) << "element " << i << " is " << actual[i] << ", wanted " << wanted[i];
  }
}

TEST(CpuQuantizedPanels, ExpandToTheBitsOfDequantizedOnes) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    for (const cpu::MatrixKernels* kernels : {isa.fp32, isa.bf16}) {
      for (const QuantizationFormat& format : all_formats()) {
        for (const DType scales : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
          SCOPED_TRACE(::testing::Message() << isa.name << ", " << kernels->precision << ", " << to_string(format)
                                            << ", scales of " << to_string(scales));
          expect_the_bits_of_dequantized(*kernels, quantized_tensor(format, kernels->panel_width, 256, scales, 3));
        }
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
