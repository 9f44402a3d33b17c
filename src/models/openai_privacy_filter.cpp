// OpenAI's privacy filter: attention with sinks in a window both ways, a mixture of experts, a label for each token.
// Source: transformers/models/openai_privacy_filter/modeling_openai_privacy_filter.py
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/decoder_weights.h"
#include "models/shared/host_tensor.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"
#include "nn/moe.h"

namespace mlxe {
namespace {

struct PrivacyFilterConfig {
  DecoderConfig sizes;
  DecoderParts parts;
  RopeFrequencies rope;
  int sliding_window = 0;  // tokens seen on either side
  int num_experts = 0;
  int experts_per_token = 0;
  Gate gate;

  static PrivacyFilterConfig parse(const JsonFields& fields) {
    PrivacyFilterConfig config;
    config.sizes = parse_decoder(fields, {.eps = 1e-5, .head_dim = 64});
    const Bias bias = fields.boolean("attention_bias", true) ? Bias::kYes : Bias::kNone;
    config.parts = {.qkv_bias = bias, .output_bias = bias};
    // Where a file has none, transformers has numbers of its own that no published checkpoint leaves out.
    if (!fields.has("rope_parameters") && !fields.has("rope_scaling")) {
      throw Error(
          ErrorCode::kCorruptModel,
          fmt::format("{}: 'rope_parameters' is missing, wanted the scaling of the rotary positions", fields.what()));
    }
    config.rope = read_rope(fields, {.head_dim = config.sizes.head_dim});
    config.sliding_window = fields.integer("sliding_window", 1, 1 << 24, 128);
    config.num_experts = fields.integer("num_local_experts", 1, 1 << 12, 128);
    config.experts_per_token = fields.integer("num_experts_per_tok", 1, config.num_experts, 4);
    // The activation's gain is that of quick GELU, which is what the operation has.
    if (const double alpha = fields.number("swiglu_alpha", 0.0, 1e3, 1.702); alpha != 1.702) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'swiglu_alpha' is {}, only 1.702 is supported", fields.what(), alpha));
    }
    config.gate = {.activation = Activation::kQuickGelu,
                   .limit = static_cast<float>(fields.number("swiglu_limit", 1e-3, 1e6, 7.0)),
                   .up_offset = 1.0F};
    return config;
  }
};

struct Layer {
  NormWeight attention_norm;
  DecoderAttention attention;
  NormWeight mlp_norm;
  Router router;
  std::vector<GatedMlp> experts;
};

// One expert's part of tensors [experts, in, out] and [experts, out], as a linear layer wants it: [out, in].
LinearPart expert_part(const HostTensor& all_weights, const HostTensor& all_biases, int expert) {
  const int in = all_weights.shape[1];
  HostTensor rows = all_weights;
  rows.shape = {all_weights.shape[0] * in, all_weights.shape[2]};
  HostTensor bias = row_slice(all_biases, expert, 1);
  bias.shape = {all_weights.shape[2]};
  return {.weight = transposed(row_slice(rows, expert * in, in)), .bias = std::move(bias)};
}

std::vector<GatedMlp> take_experts(WeightMap& weights, Backend& backend, const std::string& name,
                                   const PrivacyFilterConfig& config) {
  const int hidden = config.sizes.hidden_size;
  const int inner = config.sizes.intermediate_size;
  const int count = config.num_experts;
  const HostTensor gate_up = weights.take(name + "gate_up_proj", {count, hidden, 2 * inner});
  const HostTensor gate_up_bias = weights.take(name + "gate_up_proj_bias", {count, 2 * inner});
  const HostTensor down = weights.take(name + "down_proj", {count, inner, hidden});
  const HostTensor down_bias = weights.take(name + "down_proj_bias", {count, hidden});
  std::vector<GatedMlp> experts;
  if (!gate_up.has_data() || !gate_up_bias.has_data() || !down.has_data() || !down_bias.has_data()) {
    return experts;  // the loader will say what is wrong
  }
  for (int expert = 0; expert < count; ++expert) {
    experts.push_back({.gate_up = backend.linear_weight(std::array{expert_part(gate_up, gate_up_bias, expert)}),
                       .down = backend.linear_weight(std::array{expert_part(down, down_bias, expert)}),
                       .gate = config.gate});
  }
  release_pages(gate_up);
  release_pages(down);
  return experts;
}

Layer take_layer(WeightMap& weights, Backend& backend, const PrivacyFilterConfig& config, int index) {
  const std::string name = fmt::format("layers.{}.", index);
  const int hidden = config.sizes.hidden_size;
  Layer layer = {
      .attention_norm = take_rms_norm(weights, backend, name + "input_layernorm", hidden),
      .attention = take_attention(weights, backend, name + "self_attn", config.sizes, config.parts),
      .mlp_norm = take_rms_norm(weights, backend, name + "post_attention_layernorm", hidden),
      .router = {.in_features = hidden,
                 .num_experts = config.num_experts,
                 .weight = to_floats(weights.take(name + "mlp.router.weight", {config.num_experts, hidden})),
                 .bias = to_floats(weights.take(name + "mlp.router.bias", {config.num_experts}))},
      .experts = take_experts(weights, backend, name + "mlp.experts.", config),
  };
  layer.attention.sinks = to_floats(weights.take(name + "self_attn.sinks", {config.sizes.num_attention_heads}));
  layer.attention.pairs = RopePairs::kNeighbours;
  layer.attention.spec.left_window = layer.attention.spec.right_window = config.sliding_window;
  return layer;
}

class OpenAIPrivacyFilter final : public DecoderModel {
 public:
  OpenAIPrivacyFilter(const PrivacyFilterConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& spec)
      : DecoderModel(config.sizes, weights, backend, spec), config_(config) {
    for (int index = 0; index < config_.sizes.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config_, index));
    }
    norm_ = take_rms_norm(weights, backend, "norm", config_.sizes.hidden_size);
  }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const float eps = config_.sizes.norm_eps;
    const Tensor rotary = rotary_table(ops, batch, config_.rope);
    const Tensor last = through_layers(
        ops, layers_, look_up(ops, batch), wanted, [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
          const Tensor attended = attend(ops, ops.rms_norm(x, layer.attention_norm, eps), batch, layer.attention,
                                         rotary, eps, kept, chosen_rows(ops, x, kept));
          const Tensor normed = ops.rms_norm(attended, layer.mlp_norm, eps);
          const ExpertChoice choice =
              choose_experts(ops, normed, layer.router, config_.experts_per_token, ExpertWeights::kSoftmaxOfChosen);
          return mix_experts(ops, normed, attended, choice, [&](int expert, const Tensor& tokens) {
            return gated_mlp(ops, tokens, layer.experts[static_cast<std::size_t>(expert)], Tensor());
          });
        });
    return ops.rms_norm(last, norm_, eps);
  }

 private:
  PrivacyFilterConfig config_;
  std::vector<Layer> layers_;
  NormWeight norm_;
};

}  // namespace

std::unique_ptr<Model> make_openai_privacy_filter(const JsonFields& config, WeightMap& weights, Backend& backend,
                                                  const HeadSpec& head) {
  return std::make_unique<OpenAIPrivacyFilter>(PrivacyFilterConfig::parse(config), weights, backend, head);
}

std::optional<std::string> openai_privacy_filter_weight_name(std::string_view checkpoint_name) {
  return decoder_weight_name(checkpoint_name);
}

}  // namespace mlxe
