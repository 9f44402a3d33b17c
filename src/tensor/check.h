// Checks of operations' arguments, shared by the backends: each throws Error{kInvalidInput} naming the operation.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/ops.h"

namespace mlxe {

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

/// Checks two tensors of an element-wise operation.
inline void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check(a.rows() == b.rows() && a.columns() == b.columns(), "{}: tensors are [{}, {}] and [{}, {}]", op, a.rows(),
        a.columns(), b.rows(), b.columns());
}

/// All that AttentionSpec, the batch and the three tensors say of each other.
void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                     const AttentionSpec& spec);

}  // namespace mlxe
