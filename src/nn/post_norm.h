// The encoder layer that normalises after each residual sum: BERT's, and that of its relatives.
#pragma once

#include <vector>

#include "nn/last_layer.h"
#include "tensor/ops.h"

namespace mlxe {

struct PostNormLayer {
  LinearWeight qkv;  ///< stacked
  LinearWeight attention_output;
  NormWeight attention_norm;
  LinearWeight intermediate;  ///< of a gated layer: both halves, the one that is activated first
  LinearWeight output;
  NormWeight output_norm;
};

/// What all layers of a model share.
struct PostNormSpec {
  AttentionSpec attention;
  Activation activation = Activation::kGeluErf;
  bool is_gated = false;
  float eps = 1e-12F;
};

/// LN(x + attention(x)), the first half of the layer.
/// \param rotary_table  of Ops::rotary_table(), or empty: no rotary positions
/// \returns  [wanted tokens, hidden]
[[nodiscard]] Tensor post_norm_attention(Ops& ops, const PostNormLayer& layer, const PostNormSpec& spec,
                                         const Tensor& x, const PackedBatch& batch, const TokenChoice& wanted,
                                         const Tensor& rotary_table = {});

/// y = LN(x + attention(x)), then LN(y + mlp(y))
/// \param x  [tokens, hidden]
/// \returns  [wanted tokens, hidden]
[[nodiscard]] Tensor post_norm_layer(Ops& ops, const PostNormLayer& layer, const PostNormSpec& spec, const Tensor& x,
                                     const PackedBatch& batch, const TokenChoice& wanted,
                                     const Tensor& rotary_table = {});

/// x through all layers.
/// \param x  [tokens, hidden]
/// \returns  [wanted tokens, hidden]
[[nodiscard]] Tensor post_norm_layers(Ops& ops, const std::vector<PostNormLayer>& layers, const PostNormSpec& spec,
                                      const Tensor& x, const PackedBatch& batch, const TokenChoice& wanted,
                                      const Tensor& rotary_table = {});

}  // namespace mlxe
