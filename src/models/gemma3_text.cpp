// Gemma 3's text model: windows in most layers, norms around each block, scaled embeddings. EmbeddingGemma looks both
// ways. Source: transformers/models/gemma3/modeling_gemma3.py
#include <algorithm>
#include <cmath>
#include <string>
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

struct Gemma3Config {
  DecoderConfig sizes;
  DecoderParts parts;
  Activation hidden_activation = Activation::kGeluTanh;
  float score_scale = 0.0F;
  int window = 0;                // of sliding layers: the largest distance at which a token sees another
  std::vector<bool> is_sliding;  // [layers]
  RopeFrequencies full_rope;
  RopeFrequencies sliding_rope;

  static Gemma3Config parse(const JsonFields& fields);
};

std::vector<bool> sliding_layers(const JsonFields& fields, int num_layers) {
  if (const auto listed = parse_layer_types(fields, num_layers, "sliding_attention", "full_attention")) {
    return *listed;
  }
  // Every n-th layer is full. The name with an underscore is what transformers writes, and reads no more.
  const int pattern = fields.integer("sliding_window_pattern", 1, 1024, 6);
  std::vector<bool> layers;
  for (int index = 0; index < num_layers; ++index) {
    layers.push_back((index + 1) % pattern != 0);
  }
  return layers;
}

// As the masks of transformers count it. Gemma's own word for both ways makes it half of what the file says, which
// counts both sides together; the word of all decoders leaves it, and has one more on either side.
int window_of(const JsonFields& fields) {
  const int written = fields.integer("sliding_window", 1, 1 << 24);
  const bool is_halved = fields.boolean("use_bidirectional_attention", false);
  const bool is_plain = !fields.boolean("is_causal", true);
  return (is_halved ? written / 2 : written - 1) + (is_plain ? 1 : 0);
}

Gemma3Config Gemma3Config::parse(const JsonFields& fields) {
  Gemma3Config config;
  config.sizes = parse_decoder(fields, {.head_dim = 256, .tie_word_embeddings = true});
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    refuse_setting(fields, key);
  }
  const Bias bias = fields.boolean("attention_bias", false) ? Bias::kYes : Bias::kNone;
  config.parts = {.qkv_bias = bias, .output_bias = bias, .has_qk_norm = true, .norm_offset = 1.0F};
  config.hidden_activation = activation_from_hf(fields.text("hidden_activation", "gelu_pytorch_tanh"));
  config.score_scale = static_cast<float>(1.0 / std::sqrt(fields.number("query_pre_attn_scalar", 1e-3, 1e6, 256.0)));
  config.is_sliding = sliding_layers(fields, config.sizes.num_hidden_layers);
  if (std::ranges::find(config.is_sliding, true) != config.is_sliding.end()) {
    config.window = window_of(fields);
    config.sliding_rope = read_rope(fields, {.head_dim = config.sizes.head_dim,
                                             .layer_type = "sliding_attention",
                                             .theta_key = "rope_local_base_freq",
                                             .uses_rope_scaling = false});
  }
  config.full_rope = read_rope(fields, {.head_dim = config.sizes.head_dim});
  return config;
}

class Gemma3Text final : public DecoderModel {
 public:
  Gemma3Text(const Gemma3Config& config, WeightMap& weights, Backend& backend, const HeadSpec& spec)
      : DecoderModel(config.sizes, weights, backend, spec), config_(config) {
    for (int index = 0; index < config_.sizes.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, index));
    }
    norm_ = take_norm(weights, backend, "norm");
  }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const float eps = config_.sizes.norm_eps;
    const Tensor full = rotary_table(ops, batch, config_.full_rope);
    const Tensor sliding =
        config_.sliding_rope.inverse.empty() ? Tensor() : rotary_table(ops, batch, config_.sliding_rope);
    // transformers rounds the factor to the weights' type; in float32, which this is, that changes nothing.
    const Tensor embedded = ops.scale(look_up(ops, batch), std::sqrt(static_cast<float>(config_.sizes.hidden_size)));
    const Tensor last = through_layers(
        ops, layers_, embedded, wanted, [&](const DecoderLayer& layer, const Tensor& x, const TokenChoice& kept) {
          const auto index = static_cast<std::size_t>(&layer - layers_.data());
          return decoder_layer(ops, x, batch, layer, config_.is_sliding[index] ? sliding : full, eps, kept);
        });
    return ops.rms_norm(last, norm_, eps);
  }

 private:
  NormWeight take_norm(WeightMap& weights, Backend& backend, const std::string& name) const {
    return take_rms_norm(weights, backend, name, config_.sizes.hidden_size, config_.parts.norm_offset);
  }

  DecoderLayer take_layer(WeightMap& weights, Backend& backend, int index) const {
    const std::string name = fmt::format("layers.{}.", index);
    DecoderLayer layer = {
        .attention_norm = take_norm(weights, backend, name + "input_layernorm"),
        .attention = take_attention(weights, backend, name + "self_attn", config_.sizes, config_.parts),
        .attention_output_norm = take_norm(weights, backend, name + "post_attention_layernorm"),
        .mlp_norm = take_norm(weights, backend, name + "pre_feedforward_layernorm"),
        .mlp = take_gated_mlp(weights, backend, name + "mlp", config_.sizes, Bias::kNone, config_.hidden_activation),
        .mlp_output_norm = take_norm(weights, backend, name + "post_feedforward_layernorm"),
    };
    AttentionSpec& spec = layer.attention.spec;
    spec.scale = config_.score_scale;
    if (config_.is_sliding[static_cast<std::size_t>(index)]) {
      spec.left_window = spec.right_window = config_.window;
    }
    if (!config_.sizes.looks_both_ways) {
      spec.right_window = 0;
    }
    return layer;
  }

  Gemma3Config config_;
  std::vector<DecoderLayer> layers_;
  NormWeight norm_;
};

}  // namespace

std::unique_ptr<Model> make_gemma3_text(const JsonFields& config, WeightMap& weights, Backend& backend,
                                        const HeadSpec& head) {
  return std::make_unique<Gemma3Text>(Gemma3Config::parse(config), weights, backend, head);
}

std::optional<std::string> gemma3_text_weight_name(std::string_view checkpoint_name) {
  return decoder_weight_name(checkpoint_name);
}

}  // namespace mlxe
