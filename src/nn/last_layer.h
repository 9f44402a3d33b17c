// The last layer of a model leaves out tokens whose hidden states nobody reads.
#pragma once

#include "tensor/ops.h"

namespace mlxe {

/// \param x  [total_tokens, columns]
/// \returns [chosen tokens, columns]
[[nodiscard]] inline Tensor chosen_rows(Ops& ops, const Tensor& x, const TokenChoice& choice) {
  return choice ? ops.take_rows(x, *choice) : x;
}

/// x through all layers.
/// \param forward_layer  of a layer, its input and the tokens that it gives on: all, and of the last layer `wanted`
/// \returns [wanted tokens, columns]
template <class Layers, class ForwardLayer>
[[nodiscard]] Tensor through_layers(Ops& ops, const Layers& layers, Tensor x, const TokenChoice& wanted,
                                    const ForwardLayer& forward_layer) {
  const TokenChoice all;
  for (const auto& layer : layers) {
    x = forward_layer(layer, x, &layer == &layers.back() ? wanted : all);
  }
  return layers.empty() ? chosen_rows(ops, x, wanted) : x;
}

}  // namespace mlxe
