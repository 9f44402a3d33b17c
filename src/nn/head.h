// PredictionHead: what stands between an encoder's hidden states and its logits.
#pragma once

#include <optional>

#include "nn/pooling.h"
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

/// The tokens that head_logits() wants: the pooled ones, where each is one token's.
[[nodiscard]] inline TokenChoice tokens_of_head(const PredictionHead& head, const PackedBatch& batch) {
  return head.pooling ? pooled_tokens(batch, {.modes = {*head.pooling}}) : std::nullopt;
}

/// \param hidden  [tokens_of_head(), hidden size], and of a head without pooling any rows
/// \returns [rows, out] with pooling, [tokens, out] without
[[nodiscard]] inline Tensor head_logits(Ops& ops, const PredictionHead& head, const Tensor& hidden,
                                        const PackedBatch& batch) {
  const bool is_pooled = !head.pooling || tokens_of_head(head, batch);
  Tensor x = is_pooled ? hidden : ops.pool(hidden, batch, *head.pooling, {});
  if (head.dense) {
    x = ops.linear(x, *head.dense, head.activation);
  }
  if (head.norm) {
    x = ops.layer_norm(x, *head.norm, head.norm_eps);
  }
  return ops.linear(x, head.output);
}

}  // namespace mlxe
