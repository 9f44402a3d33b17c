// DenseLayer: a linear layer with its activation, as the Dense module of sentence-transformers.
#pragma once

#include "tensor/ops.h"

namespace mlxe {

struct DenseLayer {
  LinearWeight weight;
  Activation activation = Activation::kTanh;  // what the module uses when its config names none
};

/// activation(x W^T + b)
/// \param x  [rows, in_features]
/// \returns  [rows, out_features]
[[nodiscard]] inline Tensor dense(Ops& ops, const Tensor& x, const DenseLayer& layer) {
  return ops.linear(x, layer.weight, layer.activation);
}

}  // namespace mlxe
