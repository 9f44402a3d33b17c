// Small helpers to write tensors of the scalar backend by hand and to read them back.
#pragma once

#include <initializer_list>
#include <vector>

#include "support/packed_rows.h"
#include "support/scalar_backend.h"

namespace mlxe::testing {

/// A tensor from its rows.
inline Tensor tensor(std::initializer_list<std::initializer_list<float>> rows) {
  const Tensor out = new_tensor(static_cast<int>(rows.size()), static_cast<int>(rows.begin()->size()));
  values_of(out).clear();
  for (const auto& row : rows) {
    values_of(out).insert(values_of(out).end(), row);
  }
  return out;
}

/// A weight of the checkpoint that lives in `values`, which must outlive it.
inline HostTensor host_tensor(const std::vector<float>& values, Shape shape) {
  return {.dtype = DType::kFloat32,
          .shape = std::move(shape),
          .data = reinterpret_cast<const std::byte*>(values.data()),
          .owner = nullptr};
}

}  // namespace mlxe::testing
