// The encoder layer that normalises after each residual sum.
#include "nn/post_norm.h"

namespace mlxe {

Tensor post_norm_attention(Ops& ops, const PostNormLayer& layer, const PostNormSpec& spec, const Tensor& x,
                           const PackedBatch& batch, const TokenChoice& wanted, const Tensor& rotary_table) {
  const int head_dim = spec.attention.head_dim;
  const int hidden = spec.attention.num_heads * head_dim;
  const Tensor qkv = ops.linear(x, layer.qkv);  // [tokens, 3 * hidden]
  Tensor q = ops.columns(qkv, 0, hidden);
  Tensor k = ops.columns(qkv, hidden, hidden);
  if (!rotary_table.empty()) {
    q = ops.rope(q, rotary_table, head_dim, RopePairs::kHalves);
    k = ops.rope(k, rotary_table, head_dim, RopePairs::kHalves);
  }
  const Tensor context = ops.attention(q, k, ops.columns(qkv, 2 * hidden, hidden), batch, spec.attention, wanted);
  return ops.layer_norm(ops.linear(context, layer.attention_output, Activation::kNone, chosen_rows(ops, x, wanted)),
                        layer.attention_norm, spec.eps);
}

Tensor post_norm_layer(Ops& ops, const PostNormLayer& layer, const PostNormSpec& spec, const Tensor& x,
                       const PackedBatch& batch, const TokenChoice& wanted, const Tensor& rotary_table) {
  const Tensor attended = post_norm_attention(ops, layer, spec, x, batch, wanted, rotary_table);
  const Tensor inner =  // [tokens, intermediate]
      spec.is_gated
          ? ops.gated_linear_for(layer.output, attended, layer.intermediate, Gate{.activation = spec.activation})
          : ops.linear_for(layer.output, attended, layer.intermediate, spec.activation);
  return ops.layer_norm(ops.linear(inner, layer.output, Activation::kNone, attended), layer.output_norm, spec.eps);
}

Tensor post_norm_layers(Ops& ops, const std::vector<PostNormLayer>& layers, const PostNormSpec& spec, const Tensor& x,
                        const PackedBatch& batch, const TokenChoice& wanted, const Tensor& rotary_table) {
  return through_layers(ops, layers, x, wanted,
                        [&](const PostNormLayer& layer, const Tensor& in, const TokenChoice& kept) {
                          return post_norm_layer(ops, layer, spec, in, batch, kept, rotary_table);
                        });
}

}  // namespace mlxe
