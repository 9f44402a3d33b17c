// GTE, whose model_type on the Hub is "new": rotary positions and gated layers in BERT's arrangement.
// Source: modeling.py of huggingface.co/Alibaba-NLP/new-impl; transformers/models/gte/modeling_gte.py
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/encoder.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"

namespace mlxe {
namespace {

struct NewConfig : EncoderConfig {
  RopeFrequencies rope;
  bool is_native = false;  // configured by transformers, which calls the architecture gte

  static NewConfig parse(const JsonFields& fields) {
    NewConfig config = {
        read_encoder_config(
            fields, {.vocab_size = 30528, .max_position_embeddings = 2048, .type_vocab_size = 1, .least_types = 0}),
        {},
        fields.text("model_type") == "gte"};
    require_text(fields, "position_embedding_type", "rope");
    require_text(fields, "layer_norm_type", "layer_norm");
    refuse_switches(fields, {"logn_attention_scale", "logn_attention_clip1"});
    if (!fields.boolean("pack_qkv", true)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'pack_qkv' is false, only true is supported", fields.what()));
    }
    config.rope = read_frequencies(fields, config.hidden_size / config.num_attention_heads);
    return config;
  }

 private:
  // Its NTK scaling does not wait for long texts: the frequencies are made for the stretched length.
  static RopeFrequencies read_frequencies(const JsonFields& fields, int head_dim) {
    if (head_dim % 2 != 0) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: a head has {} values, wanted an even number for rotary "
                                                        "positions",
                                                        fields.what(), head_dim));
    }
    // transformers knows no scaling of its own.
    if (fields.has("rope_parameters")) {
      return read_rope(fields, {.head_dim = head_dim});
    }
    double theta = fields.number("rope_theta", 1.001, 1e12);
    double factor = 1.0;
    if (fields.has("rope_scaling")) {
      const JsonFields scaling(fields.at("rope_scaling"), fields.what() + ": rope_scaling");
      if (const std::string type = scaling.text("type"); type != "ntk" || scaling.has("mixed_b")) {
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("{}: 'type' is '{}'{}, only 'ntk' without 'mixed_b' is supported", scaling.what(), type,
                                scaling.has("mixed_b") ? " with 'mixed_b'" : ""));
      }
      factor = scaling.number("factor", 1.0, 1e6);
    }
    theta *= factor;
    RopeFrequencies rope{.inverse = inverse_frequencies(theta, head_dim)};
    const auto slower = static_cast<float>(std::pow(factor, 2.0 / head_dim));
    for (float& frequency : rope.inverse) {
      frequency /= slower;
    }
    return rope;
  }
};

PostNormLayer take_layer(WeightMap& weights, Backend& backend, const NewConfig& config, int index) {
  const std::string name = fmt::format("encoder.layer.{}.", index);
  const int hidden = config.hidden_size;
  return {
      .qkv = take_linear(weights, backend, name + "attention.qkv_proj", 3 * hidden, hidden),
      .attention_output = take_linear(weights, backend, name + "attention.o_proj", hidden, hidden),
      .attention_norm = take_layer_norm(weights, backend, name + "attn_ln", hidden),
      // The half that is activated comes second.
      .intermediate = backend.linear_weight(
          take_swapped_halves(weights, name + "mlp.up_gate_proj", config.intermediate_size, hidden)),
      .output = take_linear(weights, backend, name + "mlp.down_proj", hidden, config.intermediate_size),
      .output_norm = take_layer_norm(weights, backend, name + "mlp_ln", hidden),
  };
}

// transformers writes the names of the Hub's code, but its head has GELU whatever hidden_act says.
PredictionHead take_words_head(WeightMap& weights, Backend& backend, const NewConfig& config) {
  const bool has_own_name = weights.has("lm_head.layer_norm.weight");  // of the norm inside transformers
  return take_masked_lm_head(weights, backend,
                             {.dense = "lm_head.dense",
                              .norm = has_own_name ? "lm_head.layer_norm" : "lm_head.norm",
                              .decoder = "lm_head.decoder",
                              .bias = "lm_head.decoder.bias"},
                             config.is_native ? Activation::kGeluErf : config.hidden_act, config.layer_norm_eps,
                             config.hidden_size, config.vocab_size);
}

PredictionHead take_head(WeightMap& weights, Backend& backend, const NewConfig& config, const HeadSpec& spec) {
  for (const char* prefix : {"pooler.", "lm_head.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pooler.dense", Activation::kTanh, "classifier",
                                   config.hidden_size, spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", config.hidden_size, spec.num_labels);
    case HeadKind::kMaskedLm: return take_words_head(weights, backend, config);
    default: break;  // a decoder's
  }
  refuse_head("new", spec.kind);
}

class New final : public HeadedModel {
 public:
  New(const NewConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_(config.traits()),
        spec_(config.layer_spec(/*is_gated=*/true)),
        rope_(config.rope),
        embeddings_(take_embeddings(weights, backend, config, Positions::kNone)) {
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor rotary = rotary_table(ops, batch, rope_);
    const Tensor embedded = embeddings_.look_up(ops, batch);
    return post_norm_layers(ops, layers_, spec_, embedded, batch, wanted, rotary);
  }

 private:
  ModelTraits traits_;
  PostNormSpec spec_;
  RopeFrequencies rope_;
  EncoderEmbeddings embeddings_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_new(const JsonFields& config, WeightMap& weights, Backend& backend, const HeadSpec& head) {
  return std::make_unique<New>(NewConfig::parse(config), weights, backend, head);
}

std::optional<std::string> new_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, checkpoint_name.starts_with("gte.") ? "gte." : "new.");
}

}  // namespace mlxe
