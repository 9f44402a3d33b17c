// MlxTensor: an activation as an array of libmlx; and what the files of MlxOps share.
#pragma once

#include <memory>
#include <new>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <mlx/mlx.h>

#include "mlxe/error.h"
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

template <class... Args>
void check(bool good, fmt::format_string<Args...> message, Args&&... args) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, fmt::format(message, std::forward<Args>(args)...));
  }
}

inline void check_batch(const char* op, const Tensor& x, const PackedBatch& batch) {
  check(batch.offsets.back() == x.rows(), "{}: the batch ends at token {}, the tensor has {} rows", op,
        batch.offsets.back(), x.rows());
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

inline void check_key_lengths(const char* op, const PackedBatch& batch) {
  check(batch.key_lengths.empty() || batch.key_lengths.size() + 1 == batch.offsets.size(),
        "{}: {} key lengths for {} rows", op, batch.key_lengths.size(), batch.num_rows());
  for (std::size_t row = 0; row < batch.key_lengths.size(); ++row) {
    const int length = batch.offsets[row + 1] - batch.offsets[row];
    check(batch.key_lengths[row] >= 0 && batch.key_lengths[row] <= length, "{}: key length {}, wanted 0 to {}", op,
          batch.key_lengths[row], length);
  }
}

inline void check_rows(const char* op, std::span<const std::int32_t> rows, int num_rows) {
  for (const std::int32_t row : rows) {
    check(row >= 0 && row < num_rows, "{}: row {}, wanted 0 to {}", op, row, num_rows - 1);
  }
}

inline void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check(a.rows() == b.rows() && a.columns() == b.columns(), "{}: tensors are [{}, {}] and [{}, {}]", op, a.rows(),
        a.columns(), b.rows(), b.columns());
}

/// float32 values of the caller as an array.
inline mx::array to_array(std::span<const float> values, mx::Shape shape) {
  return mx::array(values.data(), std::move(shape));
}

}  // namespace mlxe::mlx_backend
