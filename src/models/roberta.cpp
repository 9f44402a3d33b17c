// RoBERTa, XLM-RoBERTa, CamemBERT: BERT with positions behind the padding's and heads of their own.
// Source: transformers/models/roberta/modeling_roberta.py; the other two have the same graph.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/encoder.h"
#include "models/shared/take_weights.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

struct RobertaConfig : EncoderConfig {
  int pad_token_id = 0;

  static RobertaConfig parse(const JsonFields& fields) {
    const RobertaConfig config = {read_encoder_config(fields, {.vocab_size = 50265}),
                                  fields.integer("pad_token_id", 0, 1 << 24, 1)};
    require_text(fields, "position_embedding_type", "absolute");
    refuse_switches(fields, {"is_decoder", "add_cross_attention"});
    if (config.max_positions() < 1) {
      throw Error(
          ErrorCode::kCorruptModel,
          fmt::format("{}: 'max_position_embeddings' is {}, wanted more than {}: the first positions belong to "
                      "the padding, whose id 'pad_token_id' is {}",
                      fields.what(), config.max_position_embeddings, config.pad_token_id + 1, config.pad_token_id));
    }
    return config;
  }

  [[nodiscard]] int max_positions() const { return max_position_embeddings - pad_token_id - 1; }
};

class Roberta final : public HeadedModel {
 public:
  Roberta(const RobertaConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_roberta_head(weights, backend, "roberta", config, head)),
        traits_(config.traits()),
        pad_token_id_(config.pad_token_id),
        spec_(config.layer_spec()),
        embeddings_(take_embeddings(weights, backend, config, Positions::kTable)) {
    traits_.max_positions = config.max_positions();
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_post_norm_layer(weights, backend, fmt::format("encoder.layer.{}.", index),
                                             config.hidden_size, config.intermediate_size));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor embedded = embeddings_.look_up(ops, batch, positions_without_padding(batch, pad_token_id_));
    return post_norm_layers(ops, layers_, spec_, embedded, batch, wanted);
  }

 private:
  ModelTraits traits_;
  int pad_token_id_;
  PostNormSpec spec_;
  EncoderEmbeddings embeddings_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_roberta(const JsonFields& config, WeightMap& weights, Backend& backend,
                                    const HeadSpec& head) {
  return std::make_unique<Roberta>(RobertaConfig::parse(config), weights, backend, head);
}

std::optional<std::string> roberta_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "roberta.");
}

}  // namespace mlxe
