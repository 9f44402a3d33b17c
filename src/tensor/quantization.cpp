// The legal formats, and codes to numbers in plain loops.
#include "tensor/quantization.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/widen.h"

namespace mlxe {
namespace {

constexpr std::array kModes = {QuantizationMode::kAffine, QuantizationMode::kMxfp4, QuantizationMode::kMxfp8,
                               QuantizationMode::kNvfp4};
constexpr std::array kAffineBits = {1, 2, 3, 4, 5, 6, 8};
constexpr std::array kAffineGroups = {32, 64, 128};

constexpr float power_of_two(int exponent) {
  float value = 1.0F;
  for (; exponent > 0; --exponent) {
    value *= 2.0F;
  }
  for (; exponent < 0; ++exponent) {
    value *= 0.5F;
  }
  return value;
}

/// Sign, 4 bits of exponent (bias 7), 3 of mantissa; no infinity, all ones is NaN.
constexpr float e4m3_to_float(unsigned code) {
  const int exponent = static_cast<int>((code >> 3U) & 15U);
  const auto mantissa = static_cast<float>(code & 7U);
  const float magnitude = (code & 0x7FU) == 0x7FU ? std::numeric_limits<float>::quiet_NaN()
                          : exponent == 0         ? mantissa * power_of_two(-9)
                                                  : (8.0F + mantissa) * power_of_two(exponent - 10);
  return (code & 0x80U) != 0 ? -magnitude : magnitude;
}

constexpr std::array<float, 256> make_e4m3() {
  std::array<float, 256> values{};
  for (unsigned code = 0; code < 256; ++code) {
    values[code] = e4m3_to_float(code);
  }
  return values;
}

constexpr std::array<float, 256> make_integers() {
  std::array<float, 256> values{};
  for (std::size_t code = 0; code < 256; ++code) {
    values[code] = static_cast<float>(code);
  }
  return values;
}

constexpr std::array<float, 256> kE4m3 = make_e4m3();
constexpr std::array<float, 256> kIntegers = make_integers();
constexpr std::array<float, 16> kE2m1 = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                         -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

const float* code_values(QuantizationMode mode) {
  switch (mode) {
    case QuantizationMode::kAffine: return kIntegers.data();
    case QuantizationMode::kMxfp8: return kE4m3.data();
    case QuantizationMode::kMxfp4:
    case QuantizationMode::kNvfp4: break;
  }
  return kE2m1.data();
}

/// 2^(code - 127), where 0 gives a subnormal number and 255 infinity, as in libmlx.
float e8m0_to_float(std::uint8_t code) {
  return std::bit_cast<float>(std::max(std::uint32_t{code} << 23U, std::uint32_t{1} << 22U));
}

/// code * scale (+ bias) for one group.
void expand_group(const std::byte* words, int bits, int count, const float* values, float scale, const float* bias,
                  float* out) {
  std::uint64_t stream = 0;
  int available = 0;
  const std::uint64_t mask = (std::uint64_t{1} << static_cast<unsigned>(bits)) - 1;
  for (int i = 0; i < count; ++i) {
    if (available < bits) {
      std::uint32_t word = 0;
      std::memcpy(&word, words, sizeof(word));
      words += sizeof(word);
      stream |= std::uint64_t{word} << static_cast<unsigned>(available);
      available += 32;
    }
    const float product = values[stream & mask] * scale;
    out[i] = bias != nullptr ? product + *bias : product;
    stream >>= static_cast<unsigned>(bits);
    available -= bits;
  }
}

}  // namespace

std::string_view to_string(QuantizationMode mode) {
  switch (mode) {
    case QuantizationMode::kAffine: return "affine";
    case QuantizationMode::kMxfp4: return "mxfp4";
    case QuantizationMode::kMxfp8: return "mxfp8";
    case QuantizationMode::kNvfp4: return "nvfp4";
  }
  return "?";
}

std::string to_string(const QuantizationFormat& format) {
  return fmt::format("{}-bit {}, groups of {}", format.bits, to_string(format.mode), format.group_size);
}

std::optional<QuantizationMode> quantization_mode(std::string_view name) {
  const auto* const found = std::ranges::find(kModes, name, [](QuantizationMode mode) { return to_string(mode); });
  return found == kModes.end() ? std::nullopt : std::optional(*found);
}

QuantizationFormat default_format(QuantizationMode mode) {
  switch (mode) {
    case QuantizationMode::kAffine: break;
    case QuantizationMode::kMxfp4: return {mode, 4, 32};
    case QuantizationMode::kMxfp8: return {mode, 8, 32};
    case QuantizationMode::kNvfp4: return {mode, 4, 16};
  }
  return {mode, 4, 64};
}

bool is_legal(const QuantizationFormat& format) {
  if (format.mode != QuantizationMode::kAffine) {
    return format == default_format(format.mode);
  }
  return std::ranges::find(kAffineBits, format.bits) != kAffineBits.end() &&
         std::ranges::find(kAffineGroups, format.group_size) != kAffineGroups.end();
}

std::string legal_formats() {
  return "affine of 1, 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128; mxfp4 of 4 bits in groups of 32; mxfp8 of 8 "
         "bits in groups of 32; nvfp4 of 4 bits in groups of 16";
}

void dequantize(const HostTensor& weight, std::size_t first, std::size_t num_rows, float* out) {
  const Quantization& quantization = *weight.quantization;
  const QuantizationFormat& format = quantization.format;
  const int size = weight.shape.back();
  const auto groups = static_cast<std::size_t>(size / format.group_size);
  const std::size_t words = row_words(format, size);
  const std::size_t group_bytes = words / groups * sizeof(std::uint32_t);
  const float* values = code_values(format.mode);
  std::vector<float> scales(groups);
  std::vector<float> biases(quantization.biases ? groups : 0);
  for (std::size_t row = first; row < first + num_rows; ++row) {
    const auto widen = [&](const HostTensor& tensor, std::vector<float>& wide) {
      widen_scales(format.mode, tensor.dtype, tensor.data + row * groups * size_bytes(tensor.dtype), groups,
                   wide.data());
    };
    widen(quantization.scales, scales);
    if (quantization.biases) {
      widen(*quantization.biases, biases);
    }
    const std::byte* source = weight.data + row * words * sizeof(std::uint32_t);
    for (std::size_t group = 0; group < groups; ++group) {
      expand_group(source + group * group_bytes, format.bits, format.group_size, values, scales[group],
                   biases.empty() ? nullptr : &biases[group], out);
      out += format.group_size;
    }
  }
}

void widen_scales(QuantizationMode mode, DType dtype, const std::byte* source, std::size_t count, float* out) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kFloat16:
    case DType::kBFloat16: to_float32(dtype, source, count, out); return;
    case DType::kUInt8:
      for (std::size_t i = 0; i < count; ++i) {
        const auto code = std::to_integer<std::uint8_t>(source[i]);
        out[i] = mode == QuantizationMode::kNvfp4 ? kE4m3[code] : e8m0_to_float(code);
      }
      return;
    default:
      throw Error(ErrorCode::kInternal, fmt::format("scales of a quantised weight have dtype {}", to_string(dtype)));
  }
}

}  // namespace mlxe
