// Weights in memory: their parts, their transposes, their elements as numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace mlxe {

/// Rows [begin, begin + count) of a matrix, as a view, packed if the matrix is; without data if the matrix has none.
[[nodiscard]] HostTensor row_slice(const HostTensor& matrix, int begin, int count);

/// A copy of a matrix with rows and columns exchanged, of the same type or, of quantised rows, float32; without data if
/// the matrix has none.
[[nodiscard]] HostTensor transposed(const HostTensor& matrix);

/// Rows of a matrix as a matrix of its own, float32 if the codes of quantised rows must be expanded; without data if
/// the matrix has none.
[[nodiscard]] HostTensor select_rows(const HostTensor& matrix, std::span<const std::int32_t> rows);

/// The elements as float32, for what is computed outside the backend; none if the tensor has no data.
[[nodiscard]] std::vector<float> to_floats(const HostTensor& tensor);

}  // namespace mlxe
