// DistilBERT: BERT without token types and pooler, in words of its own.
// Source: transformers/models/distilbert/modeling_distilbert.py
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/architecture.h"
#include "models/shared/encoder.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

constexpr float kNormEps = 1e-12F;  // no configuration says otherwise

constexpr PostNormNames kLayerNames = {.query = "attention.q_lin",
                                       .key = "attention.k_lin",
                                       .value = "attention.v_lin",
                                       .attention_output = "attention.out_lin",
                                       .attention_norm = "sa_layer_norm",
                                       .intermediate = "ffn.lin1",
                                       .output = "ffn.lin2",
                                       .output_norm = "output_layer_norm"};

EncoderConfig parse_config(const JsonFields& fields) {
  const EncoderConfig config = {
      .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 30522),
      .hidden_size = fields.integer("dim", 1, 1 << 15, 768),
      .num_hidden_layers = fields.integer("n_layers", 1, 1024, 6),
      .num_attention_heads = fields.integer("n_heads", 1, 1 << 12, 12),
      .intermediate_size = fields.integer("hidden_dim", 1, 1 << 17, 3072),
      .max_position_embeddings = fields.integer("max_position_embeddings", 1, 1 << 20, 512),
      .layer_norm_eps = kNormEps,
      .hidden_act = activation_from_hf(fields.text("activation", "gelu")),
  };
  require_whole_heads(fields, "dim", config.hidden_size, "n_heads", config.num_attention_heads);
  return config;
}

PredictionHead take_head(WeightMap& weights, Backend& backend, const EncoderConfig& config, const HeadSpec& spec) {
  for (const char* prefix : {"vocab_", "pre_classifier.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pre_classifier", Activation::kRelu, "classifier",
                                   config.hidden_size, spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", config.hidden_size, spec.num_labels);
    case HeadKind::kMaskedLm:
      return take_masked_lm_head(weights, backend,
                                 {.dense = "vocab_transform",
                                  .norm = "vocab_layer_norm",
                                  .decoder = "vocab_projector",
                                  .bias = "vocab_projector.bias"},
                                 config.hidden_act, kNormEps, config.hidden_size, config.vocab_size);
    default: break;  // a decoder's
  }
  refuse_head("distilbert", spec.kind);
}

class DistilBert final : public HeadedModel {
 public:
  DistilBert(const EncoderConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_(config.traits()),
        spec_(config.layer_spec()),
        embeddings_(take_embeddings(weights, backend, config, Positions::kTable)) {
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_post_norm_layer(weights, backend, fmt::format("transformer.layer.{}.", index),
                                             config.hidden_size, config.intermediate_size, kLayerNames));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor embedded = embeddings_.look_up(ops, batch, positions_in_rows(batch));
    return post_norm_layers(ops, layers_, spec_, embedded, batch, wanted);
  }

 private:
  ModelTraits traits_;
  PostNormSpec spec_;
  EncoderEmbeddings embeddings_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_distilbert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                       const HeadSpec& head) {
  return std::make_unique<DistilBert>(parse_config(config), weights, backend, head);
}

std::optional<std::string> distilbert_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "distilbert.");
}

}  // namespace mlxe
