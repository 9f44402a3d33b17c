// Codes to elements, with libmlx's roundings.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "base/half.h"
#include "convert/cast.h"
#include "convert/pack_codes.h"
#include "convert/quantize.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::array<float, 16> kE2m1 = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                         -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

/// Rounded to the type and widened again.
void round_all(DType dtype, std::vector<float>& values) {
  if (dtype != DType::kFloat32) {
    std::vector<std::byte> rounded(values.size() * size_bytes(dtype));
    narrow(values.data(), values.size(), dtype, rounded.data());
    widen(dtype, rounded.data(), values.size(), values.data());
  }
}

struct Row {
  std::vector<float> scales;
  std::vector<float> biases;
  std::vector<std::uint8_t> codes;
  std::vector<float> values;
};

/// code * scale rounded, + bias rounded.
void expand_affine(DType dtype, std::size_t group_size, Row& row) {
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    row.values[i] = static_cast<float>(static_cast<int>(row.codes[i])) * row.scales[i / group_size];
  }
  round_all(dtype, row.values);
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    row.values[i] += row.biases[i / group_size];
  }
  round_all(dtype, row.values);
}

void expand_float(const std::array<float, 256>& values, std::size_t group_size, Row& row) {
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    row.values[i] = values[row.codes[i]] * row.scales[i / group_size];
  }
}

std::array<float, 256> values_of(QuantizationMode mode) {
  std::array<float, 256> values{};
  if (mode == QuantizationMode::kMxfp8) {
    std::array<std::byte, 256> codes;
    for (std::size_t code = 0; code < codes.size(); ++code) {
      codes[code] = static_cast<std::byte>(code);
    }
    widen_scales(QuantizationMode::kNvfp4, DType::kUInt8, codes.data(), codes.size(), values.data());
  } else {
    std::ranges::copy(kE2m1, values.begin());
  }
  return values;
}

}  // namespace

void dequantize_as(DType dtype, const HostTensor& weight, std::size_t first, std::size_t num_rows, std::byte* out) {
  if (!weight.quantization || !is_float(dtype)) {
    throw Error(ErrorCode::kInternal, "dequantize_as wants a quantised weight and a floating-point type");
  }
  const Quantization& quantization = *weight.quantization;
  const QuantizationFormat& format = quantization.format;
  const bool affine = format.mode == QuantizationMode::kAffine;
  const auto size = static_cast<std::size_t>(weight.shape.back());
  const auto group_size = static_cast<std::size_t>(format.group_size);
  const std::size_t groups = size / group_size;
  const std::size_t row_bytes = row_words(format, weight.shape.back()) * sizeof(std::uint32_t);
  const DType side_dtype = quantization.scales.dtype;
  const std::array<float, 256> values = values_of(format.mode);
  Row row{std::vector<float>(groups), std::vector<float>(affine ? groups : 0), std::vector<std::uint8_t>(size),
          std::vector<float>(size)};
  for (std::size_t index = first; index < first + num_rows; ++index) {
    const std::size_t side_offset = index * groups * size_bytes(side_dtype);
    widen_scales(format.mode, side_dtype, quantization.scales.data + side_offset, groups, row.scales.data());
    unpack_codes(weight.data + index * row_bytes, size, format.bits, row.codes.data());
    if (affine) {
      widen_scales(format.mode, side_dtype, quantization.biases->data + side_offset, groups, row.biases.data());
      expand_affine(side_dtype, group_size, row);
    } else {
      round_all(dtype, row.scales);
      expand_float(values, group_size, row);
    }
    narrow(row.values.data(), size, dtype, out + (index - first) * size * size_bytes(dtype));
  }
}

}  // namespace mlxe
