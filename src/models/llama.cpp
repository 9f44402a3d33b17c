// Llama and what has its graph: Mistral, Qwen 2, Qwen 3 and the Llamas that look both ways.
// Source: transformers/models/{llama,mistral,qwen2,qwen3}/modeling_*.py; the two-way Llama is remote code of its
// checkpoints
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/decoder_weights.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"
#include "nn/activation.h"

namespace mlxe {
namespace {

struct LlamaConfig {
  DecoderConfig sizes;
  DecoderParts parts;
  Activation hidden_act = Activation::kSilu;
  RopeFrequencies rope;
  int sliding_window = 0;        // of the layers that have one: a token sees that many, itself among them
  std::vector<bool> has_window;  // [layers]

  static LlamaConfig parse(const JsonFields& fields);
};

Bias bias_if(bool present) {
  return present ? Bias::kYes : Bias::kNone;
}

// Which layers have a window. Qwen switches it on and off and begins it at a layer, Mistral has it in all layers or
// none.
std::vector<bool> window_layers(const JsonFields& fields, const std::string& family, int num_layers) {
  const auto count = static_cast<std::size_t>(num_layers);
  if (family == "mistral") {
    // null is "none"; a file that does not say has the window of the first Mistral.
    return std::vector<bool>(count, fields.has("sliding_window") || !fields.json().contains("sliding_window"));
  }
  if (!family.starts_with("qwen")) {
    return std::vector<bool>(count, false);
  }
  const bool is_on = fields.boolean("use_sliding_window", false) &&
                     (fields.has("sliding_window") || !fields.json().contains("sliding_window"));
  if (const auto listed = parse_layer_types(fields, num_layers, "sliding_attention", "full_attention")) {
    if (!is_on && std::ranges::find(*listed, true) != listed->end()) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: 'layer_types' has 'sliding_attention', but 'use_sliding_window' is false or "
                              "'sliding_window' is null",
                              fields.what()));
    }
    return *listed;
  }
  std::vector<bool> layers(count, false);
  const int first = fields.integer("max_window_layers", 0, 1 << 16, 28);
  for (int index = first; is_on && index < num_layers; ++index) {
    layers[static_cast<std::size_t>(index)] = true;
  }
  return layers;
}

LlamaConfig LlamaConfig::parse(const JsonFields& fields) {
  const std::string family = fields.text("model_type");
  const bool is_qwen3 = family == "qwen3";
  const bool attention_bias = fields.boolean("attention_bias", false);
  LlamaConfig config;
  config.sizes = parse_decoder(
      fields, {.head_dim = is_qwen3 ? std::optional(128) : std::nullopt, .looks_both_ways = family == "llama_bidirec"});
  config.hidden_act = activation_from_hf(fields.text("hidden_act", "silu"));
  config.rope = read_rope(fields, {.head_dim = config.sizes.head_dim});
  if (family == "qwen2") {
    config.parts = {.qkv_bias = Bias::kYes};
  } else if (is_qwen3) {
    config.parts = {.qkv_bias = bias_if(attention_bias), .output_bias = bias_if(attention_bias), .has_qk_norm = true};
  } else if (family != "mistral") {
    config.parts = {.qkv_bias = bias_if(attention_bias),
                    .output_bias = bias_if(attention_bias),
                    .mlp_bias = bias_if(fields.boolean("mlp_bias", false))};
  }
  config.has_window = window_layers(fields, family, config.sizes.num_hidden_layers);
  if (std::ranges::find(config.has_window, true) != config.has_window.end()) {
    config.sliding_window = fields.integer("sliding_window", 1, 1 << 24, 4096);
  }
  return config;
}

class Llama final : public DecoderModel {
 public:
  Llama(const LlamaConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& spec)
      : DecoderModel(config.sizes, weights, backend, spec), rope_(config.rope), eps_(config.sizes.norm_eps) {
    const int hidden = config.sizes.hidden_size;
    for (int index = 0; index < config.sizes.num_hidden_layers; ++index) {
      const std::string name = fmt::format("layers.{}.", index);
      DecoderLayer layer = {
          .attention_norm = take_rms_norm(weights, backend, name + "input_layernorm", hidden),
          .attention = take_attention(weights, backend, name + "self_attn", config.sizes, config.parts),
          .attention_output_norm = std::nullopt,
          .mlp_norm = take_rms_norm(weights, backend, name + "post_attention_layernorm", hidden),
          .mlp = take_gated_mlp(weights, backend, name + "mlp", config.sizes, config.parts.mlp_bias, config.hidden_act),
          .mlp_output_norm = std::nullopt,
      };
      set_reach(config, index, layer.attention.spec);
      layers_.push_back(std::move(layer));
    }
    norm_ = take_rms_norm(weights, backend, "norm", hidden);
  }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor rotary = rotary_table(ops, batch, rope_);
    const Tensor last = through_layers(ops, layers_, look_up(ops, batch), wanted,
                                       [&](const DecoderLayer& layer, const Tensor& x, const TokenChoice& kept) {
                                         return decoder_layer(ops, x, batch, layer, rotary, eps_, kept);
                                       });
    return ops.rms_norm(last, norm_, eps_);
  }

 private:
  static void set_reach(const LlamaConfig& config, int index, AttentionSpec& spec) {
    const bool has_window = config.has_window[static_cast<std::size_t>(index)];
    if (!config.sizes.looks_both_ways) {
      spec.right_window = 0;
      spec.left_window = has_window ? config.sliding_window - 1 : AttentionSpec::kUnlimited;
    } else if (has_window) {
      // Looking both ways, transformers counts the window on either side, without the token itself.
      spec.left_window = spec.right_window = config.sliding_window;
    }
  }

  RopeFrequencies rope_;
  float eps_;
  std::vector<DecoderLayer> layers_;
  NormWeight norm_;
};

}  // namespace

std::unique_ptr<Model> make_llama(const JsonFields& config, WeightMap& weights, Backend& backend,
                                  const HeadSpec& head) {
  return std::make_unique<Llama>(LlamaConfig::parse(config), weights, backend, head);
}

std::optional<std::string> llama_weight_name(std::string_view checkpoint_name) {
  return decoder_weight_name(checkpoint_name);
}

}  // namespace mlxe
