// Finds out how scales lie over a weight, and multiplies.
#include "weights/scale_grid.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "tensor/quantization.h"
#include "weights/integer_weight.h"

namespace mlxe {
namespace {

int blocks_of(int size, int block) {
  return (size + block - 1) / block;
}

/// E4M3 as float32, all 256 of them.
std::array<float, 256> e4m3_table() {
  std::array<std::byte, 256> codes{};
  for (std::size_t code = 0; code < codes.size(); ++code) {
    codes[code] = static_cast<std::byte>(code);
  }
  std::array<float, 256> values{};
  widen_scales(QuantizationMode::kNvfp4, DType::kUInt8, codes.data(), codes.size(), values.data());
  return values;
}

constexpr std::array<float, 16> kE2m1 = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                         -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

}  // namespace

ScaleGrid lay_scales(const PackedLayer& layer, std::string_view part, const StoredTensor& scales, const Shape& shape,
                     const std::vector<Shape>& blocks) {
  const Shape& found = scales.tensor.shape;
  const int rows = shape[0];
  const int columns = shape[1];
  if (num_elements(found) == 1) {
    return {.block_rows = std::max(1, rows),
            .block_columns = std::max(1, columns),
            .width = 1,
            .scales = floats_of(scales.tensor)};
  }
  if (found == Shape{rows} || found == Shape{rows, 1}) {
    return {.block_rows = 1, .block_columns = std::max(1, columns), .width = 1, .scales = floats_of(scales.tensor)};
  }
  if (found.size() == 2) {
    for (const Shape& block : blocks) {
      if (found == Shape{blocks_of(rows, block[0]), blocks_of(columns, block[1])}) {
        return {block[0], block[1], found[1], floats_of(scales.tensor)};
      }
    }
    if (found[0] > 0 && found[1] > 0 && rows % found[0] == 0 && columns % found[1] == 0) {
      return {rows / found[0], columns / found[1], found[1], floats_of(scales.tensor)};
    }
  }
  layer.refuse(part, fmt::format("has shape {}, wanted one number, {} or blocks of a weight of shape {}",
                                 to_string(found), to_string(Shape{rows, 1}), to_string(shape)));
}

HostTensor expand_fp8(const HostTensor& codes, const Shape& shape, const ScaleGrid& grid) {
  static const std::array<float, 256> kValues = e4m3_table();
  const auto rows = static_cast<std::size_t>(shape[0]);
  const auto columns = static_cast<std::size_t>(shape[1]);
  const auto block_rows = static_cast<std::size_t>(grid.block_rows);
  const auto block_columns = static_cast<std::size_t>(grid.block_columns);
  std::vector<float> values(rows * columns);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const scales = grid.scales.data() + row / block_rows * static_cast<std::size_t>(grid.width);
    for (std::size_t column = 0; column < columns; ++column) {
      const auto code = std::to_integer<std::size_t>(codes.data[row * columns + column]);
      values[row * columns + column] = kValues[code] * scales[column / block_columns];
    }
  }
  return owned_tensor(shape, std::move(values));
}

HostTensor expand_nvfp4(const HostTensor& codes, const HostTensor& scales, const Shape& shape, float divisor) {
  constexpr std::size_t kGroup = 16;
  std::vector<float> wide(num_elements(scales.shape));
  widen_scales(QuantizationMode::kNvfp4, DType::kUInt8, scales.data, wide.size(), wide.data());
  std::vector<float> values(num_elements(shape));
  for (std::size_t group = 0; group < wide.size(); ++group) {
    const float scale = wide[group] / divisor;
    for (std::size_t i = group * kGroup; i < (group + 1) * kGroup; ++i) {
      const auto pair = std::to_integer<unsigned>(codes.data[i / 2]);
      values[i] = kE2m1[i % 2 == 0 ? pair & 0xFU : pair >> 4U] * scale;
    }
  }
  return owned_tensor(shape, std::move(values));
}

}  // namespace mlxe
