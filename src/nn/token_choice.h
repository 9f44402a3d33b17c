// TokenChoice: the tokens whose last hidden states are read; a model's last layer leaves out the others.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tensor/ops.h"

namespace mlxe {

/// Tokens of a batch in any order; nothing: all of them.
using TokenChoice = std::optional<std::vector<std::int32_t>>;

[[nodiscard]] inline std::vector<std::int32_t> first_tokens(const PackedBatch& batch) {
  return {batch.offsets.begin(), batch.offsets.end() - 1};
}

[[nodiscard]] inline std::vector<std::int32_t> last_tokens(const PackedBatch& batch) {
  std::vector<std::int32_t> tokens(batch.offsets.begin() + 1, batch.offsets.end());
  for (std::int32_t& token : tokens) {
    --token;
  }
  return tokens;
}

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
