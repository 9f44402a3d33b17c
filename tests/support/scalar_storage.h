// Activations and weights of ScalarBackend: plain vectors.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "tensor/ops.h"

namespace mlxe::testing {

struct ScalarTensor final : TensorStorage {
  explicit ScalarTensor(std::size_t size) : values(size) {}
  std::vector<float> values;
};

struct ScalarWeight final : WeightStorage {
  std::vector<float> weight;
  std::vector<float> bias;  // or shift; zeros if the checkpoint has none
};

inline const ScalarWeight& scalar(const std::shared_ptr<const WeightStorage>& storage) {
  return dynamic_cast<const ScalarWeight&>(*storage);
}

inline std::vector<float>& values_of(const Tensor& tensor) {
  return dynamic_cast<ScalarTensor&>(*tensor.storage()).values;
}

inline Tensor new_tensor(int rows, int columns) {
  return {rows, columns,
          std::make_shared<ScalarTensor>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns))};
}

inline float& at(const Tensor& tensor, int row, int column) {
  return values_of(tensor)[static_cast<std::size_t>(row) * static_cast<std::size_t>(tensor.columns()) +
                           static_cast<std::size_t>(column)];
}

}  // namespace mlxe::testing
