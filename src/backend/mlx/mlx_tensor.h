// MlxTensor: an activation as an array of libmlx; and what the files of MlxOps share.
#pragma once

#include <memory>
#include <new>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <mlx/mlx.h>

#include "mlxe/error.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace mlxe::mlx_backend {

namespace mx = mlx::core;

struct MlxTensor final : TensorStorage {
  explicit MlxTensor(mx::array a) : array(std::move(a)) {}
  mx::array array;  // [rows, columns], float32
};

inline const mx::array& array_of(const Tensor& tensor) {
  return static_cast<const MlxTensor&>(*tensor.storage()).array;
}

inline Tensor wrap(mx::array array) {
  const int rows = array.shape(0);
  const int columns = array.shape(1);
  return {rows, columns, std::make_shared<MlxTensor>(std::move(array))};
}

/// Calls libmlx; what it throws becomes an Error that names the operation.
template <class Body>
auto guarded(const char* op, const Body& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("{}: libmlx ran out of memory", op));
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInternal, fmt::format("{}: libmlx: {}", op, error.what()));
  }
}

/// float32 values of the caller as an array.
inline mx::array to_array(std::span<const float> values, mx::Shape shape) {
  return mx::array(values.data(), std::move(shape));
}

}  // namespace mlxe::mlx_backend
