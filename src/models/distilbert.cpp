// DistilBERT: BERT without token types and pooler, in words of its own.
// Source: transformers/models/distilbert/modeling_distilbert.py
#include <array>
#include <cstdint>
#include <string>

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

struct DistilBertConfig {
  int vocab_size = 0;
  int dim = 0;
  int n_layers = 0;
  int n_heads = 0;
  int hidden_dim = 0;
  int max_position_embeddings = 0;
  Activation activation = Activation::kGeluErf;

  static DistilBertConfig parse(const JsonFields& fields) {
    const DistilBertConfig config = {
        .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 30522),
        .dim = fields.integer("dim", 1, 1 << 15, 768),
        .n_layers = fields.integer("n_layers", 1, 1024, 6),
        .n_heads = fields.integer("n_heads", 1, 1 << 12, 12),
        .hidden_dim = fields.integer("hidden_dim", 1, 1 << 17, 3072),
        .max_position_embeddings = fields.integer("max_position_embeddings", 1, 1 << 20, 512),
        .activation = activation_from_hf(fields.text("activation", "gelu")),
    };
    require_whole_heads(fields, "dim", config.dim, "n_heads", config.n_heads);
    return config;
  }
};

PredictionHead take_head(WeightMap& weights, Backend& backend, const DistilBertConfig& config, const HeadSpec& spec) {
  for (const char* prefix : {"vocab_", "pre_classifier.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pre_classifier", Activation::kRelu, "classifier", config.dim,
                                   spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", config.dim, spec.num_labels);
    case HeadKind::kMaskedLm:
      return take_masked_lm_head(weights, backend,
                                 {.dense = "vocab_transform",
                                  .norm = "vocab_layer_norm",
                                  .decoder = "vocab_projector",
                                  .bias = "vocab_projector.bias"},
                                 config.activation, kNormEps, config.dim, config.vocab_size);
    default: break;  // a decoder's
  }
  refuse_head("distilbert", spec.kind);
}

class DistilBert final : public HeadedModel {
 public:
  DistilBert(const DistilBertConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_{.hidden_size = config.dim,
                .num_layers = config.n_layers,
                .max_positions = config.max_position_embeddings,
                .vocab_size = config.vocab_size},
        spec_{.attention = encoder_attention(config.dim, config.n_heads),
              .activation = config.activation,
              .eps = kNormEps} {
    word_embeddings_ = take_table(weights, backend, "embeddings.word_embeddings", config.vocab_size, config.dim);
    position_embeddings_ =
        take_table(weights, backend, "embeddings.position_embeddings", config.max_position_embeddings, config.dim);
    embeddings_norm_ = take_layer_norm(weights, backend, "embeddings.LayerNorm", config.dim);
    for (int index = 0; index < config.n_layers; ++index) {
      layers_.push_back(take_post_norm_layer(weights, backend, fmt::format("transformer.layer.{}.", index), config.dim,
                                             config.hidden_dim, kLayerNames));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch) const override {
    const std::vector<std::int32_t> positions = positions_in_rows(batch);
    const std::array lookups = {Lookup{&word_embeddings_, batch.token_ids}, Lookup{&position_embeddings_, positions}};
    Tensor x = ops.layer_norm(ops.gather_sum(lookups), embeddings_norm_, kNormEps);
    for (const PostNormLayer& layer : layers_) {
      x = post_norm_layer(ops, layer, spec_, x, batch);
    }
    return x;  // [tokens, dim]
  }

 private:
  ModelTraits traits_;
  PostNormSpec spec_;
  EmbeddingTable word_embeddings_;
  EmbeddingTable position_embeddings_;
  NormWeight embeddings_norm_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_distilbert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                       const HeadSpec& head) {
  return std::make_unique<DistilBert>(DistilBertConfig::parse(config), weights, backend, head);
}

std::optional<std::string> distilbert_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "distilbert.");
}

}  // namespace mlxe
