// Elements of weights as float32.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace mlxe {

/// Exact; a NaN keeps its sign and its bits.
/// \param dtype   is_float
/// \param source  `count` values, at any byte
void to_float32(DType dtype, const std::byte* source, std::size_t count, float* out);

}  // namespace mlxe
