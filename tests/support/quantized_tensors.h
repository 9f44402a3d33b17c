// Quantised weights with random codes, in every format that there is.
#pragma once

#include <bit>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "base/half.h"
#include "tensor/quantization.h"

namespace mlxe::testing {

inline std::vector<QuantizationFormat> all_formats() {
  std::vector<QuantizationFormat> formats;
  for (const int bits : {1, 2, 3, 4, 5, 6, 8}) {
    for (const int group_size : {32, 64, 128}) {
      formats.push_back({QuantizationMode::kAffine, bits, group_size});
    }
  }
  for (const QuantizationMode mode : {QuantizationMode::kMxfp4, QuantizationMode::kMxfp8, QuantizationMode::kNvfp4}) {
    formats.push_back(default_format(mode));
  }
  return formats;
}

/// Bytes at an odd address, as a file may have them.
inline HostTensor owned_tensor(DType dtype, Shape shape, const std::vector<std::byte>& bytes) {
  auto owner = std::make_shared<std::vector<std::byte>>(bytes.size() + 1);
  std::memcpy(owner->data() + 1, bytes.data(), bytes.size());
  return {dtype, std::move(shape), owner->data() + 1, owner};
}

/// Elements of about 0.1; no NaN among the codes of mxfp8.
/// \param scales  type of the scales of an affine format
inline HostTensor quantized_tensor(const QuantizationFormat& format, int rows, int columns, DType scales,
                                   unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> codes(static_cast<std::size_t>(rows) * row_words(format, columns) * 4);
  for (std::byte& byte : codes) {
    auto code = static_cast<unsigned>(random() % 256);
    if (format.mode == QuantizationMode::kMxfp8 && (code & 0x7FU) == 0x7FU) {
      code ^= 1U;
    }
    byte = static_cast<std::byte>(code);
  }
  HostTensor weight = owned_tensor(DType::kUInt32, {rows, columns}, codes);
  const bool affine = format.mode == QuantizationMode::kAffine;
  const Shape shape = {rows, columns / format.group_size};
  const auto side = [&](auto&& next) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < num_elements(shape); ++i) {
      const std::uint32_t bits = next();
      const std::size_t size = affine ? size_bytes(scales) : 1;
      const auto* first = reinterpret_cast<const std::byte*>(&bits);
      bytes.insert(bytes.end(), first, first + size);
    }
    return owned_tensor(affine ? scales : DType::kUInt8, shape, bytes);
  };
  const auto number = [&](float value) -> std::uint32_t {
    switch (scales) {
      case DType::kFloat16: return float_to_float16(value);
      case DType::kBFloat16: return float_to_bfloat16(value);
      default: return std::bit_cast<std::uint32_t>(value);
    }
  };
  const float step = 0.3F / static_cast<float>(1U << static_cast<unsigned>(format.bits));
  const auto uniform = [&] { return static_cast<float>(random() % 1000) / 1000.0F; };
  auto quantization = std::make_shared<Quantization>();
  quantization->format = format;
  if (affine) {
    quantization->scales = side([&] { return number(step * (0.5F + uniform())); });
    quantization->biases = side([&] { return number(-0.15F * (0.5F + uniform())); });
  } else if (format.mode == QuantizationMode::kNvfp4) {
    quantization->scales = side([&] { return static_cast<std::uint32_t>(random() % 32 + (random() % 2) * 128); });
  } else {
    const std::uint32_t smallest = format.mode == QuantizationMode::kMxfp8 ? 115 : 121;
    quantization->scales = side([&] { return static_cast<std::uint32_t>(smallest + random() % 4); });
  }
  weight.quantization = quantization;
  return weight;
}

inline HostTensor expanded(const HostTensor& weight) {
  auto values = std::make_shared<std::vector<float>>(num_elements(weight.shape));
  dequantize(weight, 0, static_cast<std::size_t>(weight.shape[0]), values->data());
  return {DType::kFloat32, weight.shape, reinterpret_cast<const std::byte*>(values->data()), values};
}

}  // namespace mlxe::testing
