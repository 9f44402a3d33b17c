// The layer that decoders share: attention with grouped heads and rope, then a gated MLP, each behind an RMS norm.
#pragma once

#include <optional>
#include <vector>

#include "nn/last_layer.h"
#include "tensor/ops.h"

namespace mlxe {

struct DecoderAttention {
  LinearWeight qkv;  ///< q, k and v of the widths in `spec`, side by side
  LinearWeight output;
  std::optional<NormWeight> q_norm;  ///< of head_dim values: over each head, before rope
  std::optional<NormWeight> k_norm;
  std::vector<float> sinks;  ///< [num_heads], or empty; see AttentionSpec
  AttentionSpec spec;
  RopePairs pairs = RopePairs::kHalves;
};

/// The block's output added to `residual`, or alone if that is empty.
/// \param x       [total_tokens, hidden], normalised
/// \param rotary  [total_tokens, rotary size], from Ops::rotary_table
/// \param eps     of q_norm and k_norm
/// \param residual  [wanted tokens, hidden], or empty
/// \returns [wanted tokens, hidden]
[[nodiscard]] Tensor attend(Ops& ops, const Tensor& x, const PackedBatch& batch, const DecoderAttention& attention,
                            const Tensor& rotary, float eps, const TokenChoice& wanted, const Tensor& residual);

struct GatedMlp {
  LinearWeight gate_up;  ///< the activated half first
  LinearWeight down;
  Gate gate;
};

/// down(gate(gate_up(x))) + residual
[[nodiscard]] Tensor gated_mlp(Ops& ops, const Tensor& x, const GatedMlp& mlp, const Tensor& residual);

struct DecoderLayer {
  NormWeight attention_norm;
  DecoderAttention attention;
  std::optional<NormWeight> attention_output_norm;  ///< of the block's output, before it is added (Gemma)
  NormWeight mlp_norm;
  GatedMlp mlp;
  std::optional<NormWeight> mlp_output_norm;
};

/// x + attention(norm(x)), then y + mlp(norm(y)).
/// \param x  [total_tokens, hidden]
/// \returns [wanted tokens, hidden]
[[nodiscard]] Tensor decoder_layer(Ops& ops, const Tensor& x, const PackedBatch& batch, const DecoderLayer& layer,
                                   const Tensor& rotary, float eps, const TokenChoice& wanted);

}  // namespace mlxe
