// PredictionHead: what stands between an encoder's hidden states and its logits.
#pragma once

#include <optional>

#include "tensor/ops.h"

namespace mlxe {

/// output(norm(activation(dense(pooled)))); what a head has not is left out.
struct PredictionHead {
  std::optional<PoolingMode> pooling;  ///< of heads for whole texts
  std::optional<LinearWeight> dense;
  Activation activation = Activation::kNone;
  std::optional<NormWeight> norm;
  float norm_eps = 0.0F;
  LinearWeight output;
};

/// \param hidden  [tokens, hidden size]
/// \returns [rows, out] with pooling, [tokens, out] without
[[nodiscard]] inline Tensor head_logits(Ops& ops, const PredictionHead& head, const Tensor& hidden,
                                        const PackedBatch& batch) {
  Tensor x = head.pooling ? ops.pool(hidden, batch, *head.pooling, {}) : hidden;
  if (head.dense) {
    x = ops.linear(x, *head.dense, head.activation);
  }
  if (head.norm) {
    x = ops.layer_norm(x, *head.norm, head.norm_eps);
  }
  return ops.linear(x, head.output);
}

}  // namespace mlxe
