// Quantising weights as libmlx does, bit for bit, and taking them back.
#pragma once

#include <cstddef>

#include "tensor/quantization.h"
#include "tensor/tensor.h"

namespace mlxe {

/// Where the parts of a quantised block go.
struct QuantizedBlock {
  std::byte* codes = nullptr;   ///< count * bits / 8 bytes
  std::byte* scales = nullptr;  ///< one for each group: of the source's type for kAffine, else one byte
  std::byte* biases = nullptr;  ///< as scales; for kAffine only
};

/// How far the codes are from what they stand for. Sums of float32 differences, in the order of the groups.
struct QuantizationError {
  double squared_error = 0;
  double squared_size = 0;  ///< of the elements themselves
  double largest_error = 0;
  /// False: a group holds infinity, NaN, or for mxfp4 and mxfp8 only numbers below 2^-127, whose exponent has no byte.
  /// What became of it means nothing.
  bool sound = true;

  QuantizationError& operator+=(const QuantizationError& other);
  [[nodiscard]] double relative() const;  ///< |W - Q| / |W|, 0 for zeros
};

/// Quantises `count` consecutive elements, whole groups of them, with the arithmetic and the roundings of libmlx's
/// quantize() on a CPU for an array of that type: a 16-bit type is computed in where libmlx does.
/// \param source  elements of type `dtype`, at any byte
/// \throws Error{kInvalidInput} for a format that MLX cannot make, a count that is no multiple of the group, or a type
///         that is no floating-point one
/// Source: mlx/backend/cpu/quantized.cpp (affine) and fp_quantize() in mlx/ops.cpp of github.com/ml-explore/mlx; E8M0
///         scales as 0.32.4 has them: the least power of two that the group fits under, found by experiment
QuantizationError quantize(DType dtype, const std::byte* source, std::size_t count, const QuantizationFormat& format,
                           const QuantizedBlock& out);

/// Rows [first, first + num_rows) of a quantised weight as libmlx's dequantize() gives them: affine ones computed in
/// the type of their scales and then cast, the others computed in `dtype`.
/// \param out  num_rows * shape[-1] elements of type `dtype`
void dequantize_as(DType dtype, const HostTensor& weight, std::size_t first, std::size_t num_rows, std::byte* out);

}  // namespace mlxe
