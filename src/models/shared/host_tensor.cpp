// Slices and transposes of weights in memory.
#include "models/shared/host_tensor.h"

#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

void require_matrix(const HostTensor& tensor) {
  if (tensor.shape.size() != 2) {
    throw Error(ErrorCode::kInternal, fmt::format("a weight has shape {}, wanted a matrix", to_string(tensor.shape)));
  }
}

}  // namespace

HostTensor row_slice(const HostTensor& matrix, int begin, int count) {
  require_matrix(matrix);
  if (begin < 0 || count < 0 || begin > matrix.shape[0] - count) {
    throw Error(ErrorCode::kInternal,
                fmt::format("rows {} to {} of a weight of shape {}", begin, begin + count, to_string(matrix.shape)));
  }
  HostTensor slice = matrix;
  slice.shape[0] = count;
  if (slice.has_data()) {
    slice.data +=
        static_cast<std::size_t>(begin) * static_cast<std::size_t>(matrix.shape[1]) * size_bytes(matrix.dtype);
  }
  return slice;
}

HostTensor transposed(const HostTensor& matrix) {
  require_matrix(matrix);
  HostTensor result;
  result.dtype = matrix.dtype;
  result.shape = {matrix.shape[1], matrix.shape[0]};
  if (!matrix.has_data()) {
    return result;
  }
  const auto rows = static_cast<std::size_t>(matrix.shape[0]);
  const auto columns = static_cast<std::size_t>(matrix.shape[1]);
  const std::size_t bytes = size_bytes(matrix.dtype);
  const auto copy = std::make_shared<std::vector<std::byte>>(rows * columns * bytes);  // shared by the tensor's copies
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      std::memcpy(copy->data() + (column * rows + row) * bytes, matrix.data + (row * columns + column) * bytes, bytes);
    }
  }
  result.data = copy->data();
  result.owner = copy;
  return result;
}

}  // namespace mlxe
