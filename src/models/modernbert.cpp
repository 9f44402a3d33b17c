// ModernBERT: rotary positions, pre-norm layers with a gated MLP, windows in most of them.
// Source: transformers/models/modernbert/modeling_modernbert.py
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/encoder.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"

namespace mlxe {
namespace {

struct ModernBertConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int intermediate_size = 0;
  int max_position_embeddings = 0;
  int window = 0;  // tokens on either side
  float norm_eps = 0.0F;
  Bias norm_bias = Bias::kNone;
  Bias attention_bias = Bias::kNone;
  Bias mlp_bias = Bias::kNone;
  Bias classifier_bias = Bias::kNone;
  Bias decoder_bias = Bias::kYes;
  Activation hidden_activation = Activation::kGeluErf;
  Activation classifier_activation = Activation::kGeluErf;
  PoolingMode classifier_pooling = PoolingMode::kCls;
  std::vector<bool> is_global;  // for each layer
  RopeFrequencies global_rope;
  RopeFrequencies local_rope;

  static ModernBertConfig parse(const JsonFields& fields) {
    const auto bias = [&](const char* key, bool fallback = false) {
      return fields.boolean(key, fallback) ? Bias::kYes : Bias::kNone;
    };
    ModernBertConfig config = {
        .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 50368),
        .hidden_size = fields.integer("hidden_size", 1, 1 << 15, 768),
        .num_hidden_layers = fields.integer("num_hidden_layers", 1, 1024, 22),
        .num_attention_heads = fields.integer("num_attention_heads", 1, 1 << 12, 12),
        .intermediate_size = fields.integer("intermediate_size", 1, 1 << 17, 1152),
        .max_position_embeddings = fields.integer("max_position_embeddings", 1, 1 << 20, 8192),
        .window = fields.integer("local_attention", 1, 1 << 20, 128) / 2,
        .norm_eps = static_cast<float>(fields.number("norm_eps", 0.0, 1.0, 1e-5)),
        .norm_bias = bias("norm_bias"),
        .attention_bias = bias("attention_bias"),
        .mlp_bias = bias("mlp_bias"),
        .classifier_bias = bias("classifier_bias"),
        .decoder_bias = bias("decoder_bias", true),
        .hidden_activation = activation_from_hf(fields.text("hidden_activation", "gelu")),
        .classifier_activation = activation_from_hf(fields.text("classifier_activation", "gelu")),
        .classifier_pooling = pooling_of(fields),
        .is_global = {},
        .global_rope = {},
        .local_rope = {},
    };
    require_whole_heads(fields, "hidden_size", config.hidden_size, "num_attention_heads", config.num_attention_heads);
    const int head_dim = config.hidden_size / config.num_attention_heads;
    config.global_rope =
        read_rope(fields, {.head_dim = head_dim, .layer_type = "full_attention", .theta_key = "global_rope_theta"});
    config.local_rope =
        read_rope(fields, {.head_dim = head_dim, .layer_type = "sliding_attention", .theta_key = "local_rope_theta"});
    if (const auto types = parse_layer_types(fields, config.num_hidden_layers, "full_attention", "sliding_attention")) {
      config.is_global = *types;
    } else {
      const int every = fields.integer("global_attn_every_n_layers", 1, 1024, 3);
      for (int index = 0; index < config.num_hidden_layers; ++index) {
        config.is_global.push_back(index % every == 0);
      }
    }
    return config;
  }

 private:
  static PoolingMode pooling_of(const JsonFields& fields) {
    const std::string name = fields.text("classifier_pooling", "cls");
    if (name != "cls" && name != "mean") {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'classifier_pooling' is '{}', wanted 'cls' or 'mean'", fields.what(), name));
    }
    return name == "cls" ? PoolingMode::kCls : PoolingMode::kMean;
  }
};

struct Layer {
  std::optional<NormWeight> attn_norm;  // the first layer has none: the embeddings are normalised
  LinearWeight qkv;
  LinearWeight attn_output;
  NormWeight mlp_norm;
  LinearWeight mlp_input;  // the half that is activated, then the other
  LinearWeight mlp_output;
  bool is_global = false;
};

Layer take_layer(WeightMap& weights, Backend& backend, const ModernBertConfig& config, int index) {
  const std::string name = fmt::format("layers.{}.", index);
  const int hidden = config.hidden_size;
  Layer layer;
  if (index != 0) {
    layer.attn_norm = take_layer_norm(weights, backend, name + "attn_norm", hidden, config.norm_bias);
  }
  layer.qkv = take_linear(weights, backend, name + "attn.Wqkv", 3 * hidden, hidden, config.attention_bias);
  layer.attn_output = take_linear(weights, backend, name + "attn.Wo", hidden, hidden, config.attention_bias);
  layer.mlp_norm = take_layer_norm(weights, backend, name + "mlp_norm", hidden, config.norm_bias);
  layer.mlp_input =
      take_linear(weights, backend, name + "mlp.Wi", 2 * config.intermediate_size, hidden, config.mlp_bias);
  layer.mlp_output = take_linear(weights, backend, name + "mlp.Wo", hidden, config.intermediate_size, config.mlp_bias);
  layer.is_global = config.is_global[static_cast<std::size_t>(index)];
  return layer;
}

// Every head begins with the same block; only what is pooled and what follows differ.
PredictionHead take_head(WeightMap& weights, Backend& backend, const ModernBertConfig& config, const HeadSpec& spec) {
  const int hidden = config.hidden_size;
  for (const char* prefix : {"head.", "classifier.", "decoder.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  if (spec.kind == HeadKind::kNone) {
    return {};
  }
  if (spec.kind == HeadKind::kNextToken || spec.kind == HeadKind::kMarkedTokens) {
    refuse_head("modernbert", spec.kind);
  }
  PredictionHead head;
  head.dense = take_linear(weights, backend, "head.dense", hidden, hidden, config.classifier_bias);
  head.activation = config.classifier_activation;
  head.norm = take_layer_norm(weights, backend, "head.norm", hidden, config.norm_bias);
  head.norm_eps = config.norm_eps;
  if (spec.kind == HeadKind::kMaskedLm) {
    head.output =
        take_tied_decoder(weights, backend, "decoder", config.decoder_bias == Bias::kYes ? "decoder.bias" : "",
                          "embeddings.tok_embeddings", config.vocab_size, hidden);
    return head;
  }
  if (spec.kind == HeadKind::kSequence) {
    head.pooling = config.classifier_pooling;
  }
  head.output = take_linear(weights, backend, "classifier", spec.num_labels, hidden);
  return head;
}

class ModernBert final : public HeadedModel {
 public:
  ModernBert(const ModernBertConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_{.hidden_size = config.hidden_size,
                .num_layers = config.num_hidden_layers,
                .max_positions = config.max_position_embeddings,
                .vocab_size = config.vocab_size},
        norm_eps_(config.norm_eps),
        activation_(config.hidden_activation),
        global_rope_(config.global_rope),
        local_rope_(config.local_rope),
        global_attention_(encoder_attention(config.hidden_size, config.num_attention_heads)),
        local_attention_(global_attention_) {
    local_attention_.left_window = config.window;
    local_attention_.right_window = config.window;
    const int hidden = config.hidden_size;
    embeddings_ = take_table(weights, backend, "embeddings.tok_embeddings", config.vocab_size, hidden);
    embeddings_norm_ = take_layer_norm(weights, backend, "embeddings.norm", hidden, config.norm_bias);
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index));
    }
    final_norm_ = take_layer_norm(weights, backend, "final_norm", hidden, config.norm_bias);
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor global_table = rotary_table(ops, batch, global_rope_);
    const Tensor local_table = rotary_table(ops, batch, local_rope_);
    const Lookup lookup{&embeddings_, batch.token_ids};
    const Tensor embedded = ops.layer_norm(ops.gather_sum({&lookup, 1}), embeddings_norm_, norm_eps_);
    const Tensor last = through_layers(
        ops, layers_, embedded, wanted, [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
          return forward_layer(ops, layer, x, batch, layer.is_global ? global_table : local_table, kept);
        });
    return ops.layer_norm(last, final_norm_, norm_eps_);
  }

 private:
  Tensor forward_layer(Ops& ops, const Layer& layer, const Tensor& x, const PackedBatch& batch, const Tensor& rotary,
                       const TokenChoice& kept) const {
    const int hidden = traits_.hidden_size;
    const AttentionSpec& attention = layer.is_global ? global_attention_ : local_attention_;
    const Tensor qkv = ops.linear(layer.attn_norm ? ops.layer_norm(x, *layer.attn_norm, norm_eps_) : x, layer.qkv);
    const auto turned = [&](int begin) {
      return ops.rope(ops.columns(qkv, begin, hidden), rotary, attention.head_dim, RopePairs::kHalves);
    };
    const Tensor context =
        ops.attention(turned(0), turned(hidden), ops.columns(qkv, 2 * hidden, hidden), batch, attention, kept);
    const Tensor attended = ops.linear(context, layer.attn_output, Activation::kNone, chosen_rows(ops, x, kept));
    const Tensor inner =  // [kept tokens, intermediate]
        ops.gated_linear_for(layer.mlp_output, ops.layer_norm(attended, layer.mlp_norm, norm_eps_), layer.mlp_input,
                             Gate{.activation = activation_});
    return ops.linear(inner, layer.mlp_output, Activation::kNone, attended);
  }

  ModelTraits traits_;
  float norm_eps_;
  Activation activation_;
  RopeFrequencies global_rope_;
  RopeFrequencies local_rope_;
  AttentionSpec global_attention_;
  AttentionSpec local_attention_;
  EmbeddingTable embeddings_;
  NormWeight embeddings_norm_;
  std::vector<Layer> layers_;
  NormWeight final_norm_;
};

}  // namespace

std::unique_ptr<Model> make_modernbert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                       const HeadSpec& head) {
  return std::make_unique<ModernBert>(ModernBertConfig::parse(config), weights, backend, head);
}

std::optional<std::string> modernbert_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "model.");
}

}  // namespace mlxe
