// Parts of weights that a checkpoint stores as one, or the other way round.
#pragma once

#include "tensor/tensor.h"

namespace mlxe {

/// Rows [begin, begin + count) of a matrix, as a view; without data if the matrix has none.
[[nodiscard]] HostTensor row_slice(const HostTensor& matrix, int begin, int count);

/// A copy of a matrix with rows and columns exchanged, of the same type; without data if the matrix has none.
[[nodiscard]] HostTensor transposed(const HostTensor& matrix);

}  // namespace mlxe
