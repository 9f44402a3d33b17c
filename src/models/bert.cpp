// BERT: absolute positions, post-norm encoder. Source: transformers/models/bert/modeling_bert.py
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/architecture.h"
#include "models/shared/encoder.h"
#include "models/shared/jina_bert.h"
#include "models/shared/take_weights.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

EncoderConfig parse_config(const JsonFields& fields) {
  require_text(fields, "position_embedding_type", "absolute");
  refuse_switches(fields, {"is_decoder", "add_cross_attention"});
  return read_encoder_config(fields, {});
}

PredictionHead take_head(WeightMap& weights, Backend& backend, const EncoderConfig& config, const HeadSpec& spec) {
  const int hidden = config.hidden_size;
  // Heads of other tasks, and the pooler that only some of them use.
  for (const char* prefix : {"pooler.", "cls.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pooler.dense", Activation::kTanh, "classifier", hidden,
                                   spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", hidden, spec.num_labels);
    case HeadKind::kMaskedLm:
      return take_masked_lm_head(weights, backend,
                                 {.dense = "cls.predictions.transform.dense",
                                  .norm = "cls.predictions.transform.LayerNorm",
                                  .decoder = "cls.predictions.decoder",
                                  .bias = "cls.predictions.bias"},
                                 config.hidden_act, config.layer_norm_eps, hidden, config.vocab_size);
    default: break;  // a decoder's
  }
  refuse_head("bert", spec.kind);
}

class Bert final : public HeadedModel {
 public:
  Bert(const EncoderConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_(config.traits()),
        spec_(config.layer_spec()),
        embeddings_(take_embeddings(weights, backend, config, Positions::kTable)) {
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_post_norm_layer(weights, backend, fmt::format("encoder.layer.{}.", index),
                                             config.hidden_size, config.intermediate_size));
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

std::unique_ptr<Model> make_bert(const JsonFields& config, WeightMap& weights, Backend& backend, const HeadSpec& head) {
  // Jina's models call themselves bert, too.
  if (config.text("position_embedding_type", "absolute") == "alibi") {
    return make_jina_bert(config, weights, backend, head);
  }
  return std::make_unique<Bert>(parse_config(config), weights, backend, head);
}

std::optional<std::string> bert_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "bert.");
}

}  // namespace mlxe
