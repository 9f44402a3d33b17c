// The layer that decoders share: attention with grouped heads and rope, then a gated MLP, each behind an RMS norm.
#include "nn/decoder.h"

namespace mlxe {

Tensor attend(Ops& ops, const Tensor& x, const PackedBatch& batch, const DecoderAttention& attention,
              const Tensor& rotary, float eps, const TokenChoice& wanted, const Tensor& residual) {
  const int head_dim = attention.spec.head_dim;
  const int q_width = attention.spec.num_heads * head_dim;
  const int kv_width = attention.spec.num_kv_heads * head_dim;
  const auto turned = [&](const Tensor& heads, const std::optional<NormWeight>& norm) {
    return ops.rope(norm ? ops.rms_norm(heads, *norm, eps) : heads, rotary, head_dim, attention.pairs);
  };

  const Tensor qkv = ops.linear(x, attention.qkv);  // [tokens, q_width + 2 * kv_width]
  const Tensor q = turned(ops.columns(qkv, 0, q_width), attention.q_norm);
  const Tensor k = turned(ops.columns(qkv, q_width, kv_width), attention.k_norm);
  const Tensor v = ops.columns(qkv, q_width + kv_width, kv_width);

  // A pointer to a member would not survive the layer being moved, so it is set here.
  AttentionSpec spec = attention.spec;
  spec.sinks = attention.sinks.empty() ? nullptr : &attention.sinks;
  const Tensor context = ops.attention(q, k, v, batch, spec, wanted);
  return ops.linear(context, attention.output, Activation::kNone, residual);
}

Tensor gated_mlp(Ops& ops, const Tensor& x, const GatedMlp& mlp, const Tensor& residual) {
  return ops.linear(ops.gated_linear_for(mlp.down, x, mlp.gate_up, mlp.gate), mlp.down, Activation::kNone, residual);
}

Tensor decoder_layer(Ops& ops, const Tensor& x, const PackedBatch& batch, const DecoderLayer& layer,
                     const Tensor& rotary, float eps, const TokenChoice& wanted) {
  // A norm of the output stands between the product and the sum, which then cannot be one operation.
  const auto added = [&](const Tensor& base, const std::optional<NormWeight>& norm, const auto& block) {
    return norm ? ops.add(base, ops.rms_norm(block(Tensor()), *norm, eps)) : block(base);
  };
  const Tensor attended = added(chosen_rows(ops, x, wanted), layer.attention_output_norm, [&](const Tensor& residual) {
    return attend(ops, ops.rms_norm(x, layer.attention_norm, eps), batch, layer.attention, rotary, eps, wanted,
                  residual);
  });
  return added(attended, layer.mlp_output_norm, [&](const Tensor& residual) {
    return gated_mlp(ops, ops.rms_norm(attended, layer.mlp_norm, eps), layer.mlp, residual);
  });
}

}  // namespace mlxe
