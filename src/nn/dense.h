// DenseLayer: a linear layer with its activation, as the Dense module of sentence-transformers.
#pragma once

#include <optional>

#include "tensor/ops.h"

namespace mlxe {

struct DenseLayer {
  LinearWeight weight = {};
  Activation activation = Activation::kTanh;  // what the module uses when its config names none
  bool use_residual = false;
  std::optional<LinearWeight> residual = {};  // of the residual where the widths differ
};

/// activation(x W^T + b), and x or its own product added where the layer says so
/// \param x  [rows, in_features]
/// \returns  [rows, out_features]
[[nodiscard]] inline Tensor dense(Ops& ops, const Tensor& x, const DenseLayer& layer) {
  if (!layer.use_residual) {
    return ops.linear(x, layer.weight, layer.activation);
  }
  const Tensor residual = layer.residual ? ops.linear(x, *layer.residual) : x;
  return ops.linear(x, layer.weight, layer.activation, residual);
}

}  // namespace mlxe
