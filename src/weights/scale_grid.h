// Weights of small floating-point codes under a grid of scales: fp8 in blocks, rows or whole tensors, fp4 in groups.
#pragma once

#include <string>
#include <vector>

#include "weights/packed_layer.h"

namespace mlxe {

/// Scales over a weight: one for each block of block_rows x block_columns elements, the last of each side may be cut.
struct ScaleGrid {
  int block_rows = 1;
  int block_columns = 1;
  int width = 1;  ///< of a row of blocks
  std::vector<float> scales;
};

/// How a tensor of scales lies over a weight of `shape`: one number; one a row; or a grid, whose blocks are `blocks`
/// ([rows, columns] of one) if those fit, else those that divide the weight.
/// \throws Error{kCorruptModel} of layer.refuse() if there is no way
[[nodiscard]] ScaleGrid lay_scales(const PackedLayer& layer, std::string_view part, const StoredTensor& scales,
                                   const Shape& shape, const std::vector<Shape>& blocks);

/// float8 E4M3 codes times their scales, each product rounded once to float32.
[[nodiscard]] HostTensor expand_fp8(const HostTensor& codes, const Shape& shape, const ScaleGrid& grid);

/// Pairs of E2M1 codes, low half first, in groups of 16 under scales E4M3, all divided by one number.
[[nodiscard]] HostTensor expand_nvfp4(const HostTensor& codes, const HostTensor& scales, const Shape& shape,
                                      float divisor);

}  // namespace mlxe
