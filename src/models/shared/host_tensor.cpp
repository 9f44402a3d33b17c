// Weights in memory: their parts, their transposes, their elements as numbers.
#include "models/shared/host_tensor.h"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/quantization.h"
#include "tensor/widen.h"

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
  if (!slice.has_data()) {
    return slice;
  }
  const Quantization* packed = matrix.quantization.get();
  const std::size_t row_bytes = packed != nullptr
                                    ? row_words(packed->format, matrix.shape[1]) * sizeof(std::uint32_t)
                                    : static_cast<std::size_t>(matrix.shape[1]) * size_bytes(matrix.dtype);
  slice.data += static_cast<std::size_t>(begin) * row_bytes;
  if (packed != nullptr) {
    Quantization part{.format = packed->format, .scales = row_slice(packed->scales, begin, count), .biases = {}};
    if (packed->biases) {
      part.biases = row_slice(*packed->biases, begin, count);
    }
    slice.quantization = std::make_shared<const Quantization>(std::move(part));  // shared by the slice's copies
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
  // Codes lie in groups along a row, which no transpose has.
  std::vector<float> expanded;
  const std::byte* source = matrix.data;
  if (matrix.quantization != nullptr) {
    expanded = to_floats(matrix);
    source = reinterpret_cast<const std::byte*>(expanded.data());
    result.dtype = DType::kFloat32;
  }
  const std::size_t bytes = size_bytes(result.dtype);
  const auto copy = std::make_shared<std::vector<std::byte>>(rows * columns * bytes);  // shared by the tensor's copies
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      std::memcpy(copy->data() + (column * rows + row) * bytes, source + (row * columns + column) * bytes, bytes);
    }
  }
  result.data = copy->data();
  result.owner = copy;
  return result;
}

HostTensor select_rows(const HostTensor& matrix, std::span<const std::int32_t> rows) {
  HostTensor result{.dtype = matrix.dtype, .shape = {static_cast<int>(rows.size()), matrix.shape[1]}, .owner = nullptr};
  if (!matrix.has_data()) {
    return result;
  }
  const bool is_packed = matrix.quantization != nullptr;
  if (is_packed) {
    result.dtype = DType::kFloat32;
  }
  const auto width = static_cast<std::size_t>(matrix.shape[1]);
  const std::size_t row_bytes = width * size_bytes(result.dtype);
  auto copy = std::make_shared<std::vector<std::byte>>(rows.size() * row_bytes);  // owned by the result alone
  std::vector<float> expanded(is_packed ? width : 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(rows[i]);
    if (is_packed) {
      dequantize(matrix, row, 1, expanded.data());
      std::memcpy(copy->data() + i * row_bytes, expanded.data(), row_bytes);
    } else {
      std::memcpy(copy->data() + i * row_bytes, matrix.data + row * row_bytes, row_bytes);
    }
  }
  result.data = copy->data();
  result.owner = std::move(copy);
  return result;
}

std::vector<float> to_floats(const HostTensor& tensor) {
  if (!tensor.has_data()) {
    return {};  // its shape is what a configuration says, and no file vouches for that
  }
  std::vector<float> values(num_elements(tensor.shape));
  if (tensor.quantization != nullptr) {
    dequantize(tensor, 0, values.size() / static_cast<std::size_t>(tensor.shape.back()), values.data());
    return values;
  }
  to_float32(tensor.dtype, tensor.data, values.size(), values.data());
  return values;
}

}  // namespace mlxe
