// What the files of several encoders would write again: checks of config.json, names of weights, layers and heads.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "models/architecture.h"
#include "nn/head.h"
#include "nn/post_norm.h"
#include "tensor/backend.h"
#include "weights/weight_map.h"

namespace mlxe {

/// A model with a PredictionHead on top, or with none.
class HeadedModel : public Model {
 public:
  [[nodiscard]] TokenChoice tokens_of_logits(const PackedBatch& batch) const override {
    return tokens_of_head(head_, batch);
  }
  [[nodiscard]] Tensor logits(Ops& ops, const Tensor& hidden, const PackedBatch& batch) const override {
    return has_head_ ? head_logits(ops, head_, hidden, batch) : Model::logits(ops, hidden, batch);
  }

 protected:
  /// \param head  of the kind that `spec` wants; anything if it wants none
  HeadedModel(const HeadSpec& spec, PredictionHead head)
      : has_head_(spec.kind != HeadKind::kNone), head_(std::move(head)) {}

 private:
  bool has_head_;
  PredictionHead head_;
};

/// What BERT and its relatives write under the same keys of config.json.
struct EncoderConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int intermediate_size = 0;
  int max_position_embeddings = 0;
  int type_vocab_size = 0;
  float layer_norm_eps = 0.0F;
  Activation hidden_act = Activation::kGeluErf;

  [[nodiscard]] ModelTraits traits() const;
  /// Bidirectional attention of all heads; the rest as config.json has it.
  [[nodiscard]] PostNormSpec layer_spec(bool is_gated = false) const;
};

/// Values of the keys that config.json leaves out, BERT's where a family says nothing else, and limits of its own.
struct EncoderDefaults {
  int vocab_size = 30522;
  int hidden_size = 768;
  int num_hidden_layers = 12;
  int num_attention_heads = 12;
  int intermediate_size = 3072;
  int max_position_embeddings = 512;
  int least_positions = 1;
  int most_positions = 1 << 20;
  int type_vocab_size = 2;
  int least_types = 1;
  double layer_norm_eps = 1e-12;
};

/// The upper limits are far above any real model and low enough that no product of two sizes overflows.
/// \throws Error{kCorruptModel} for a size out of range or heads that do not divide, Error{kUnsupported} for an unknown
///         activation
[[nodiscard]] EncoderConfig read_encoder_config(const JsonFields& config, const EncoderDefaults& defaults);

/// \throws Error{kCorruptModel} unless num_heads divides hidden_size; the keys are config.json's words for both
void require_whole_heads(const JsonFields& config, std::string_view hidden_key, int hidden_size,
                         std::string_view heads_key, int num_heads);

/// \throws Error{kUnsupported} if one of these switches is true
void refuse_switches(const JsonFields& config, std::initializer_list<const char*> keys);

/// \throws Error{kUnsupported} unless the text at `key` is `wanted` or absent
void require_text(const JsonFields& config, std::string_view key, std::string_view wanted);

/// Bidirectional attention of `num_heads` heads over a width of `hidden_size`, scaled by 1 / sqrt(head_dim).
[[nodiscard]] AttentionSpec encoder_attention(int hidden_size, int num_heads);

/// The name without `prefix`, with weight and bias for the gamma and beta of norms that came from TensorFlow; nothing
/// for position_ids, a buffer that older versions of transformers saved.
[[nodiscard]] std::optional<std::string> encoder_weight_name(std::string_view checkpoint_name, std::string_view prefix);

/// Names of a layer's parts below its prefix.
struct PostNormNames {
  const char* query = "attention.self.query";
  const char* key = "attention.self.key";
  const char* value = "attention.self.value";
  const char* attention_output = "attention.output.dense";
  const char* attention_norm = "attention.output.LayerNorm";
  const char* intermediate = "intermediate.dense";
  const char* output = "output.dense";
  const char* output_norm = "output.LayerNorm";
};

/// What a token is before the first layer: norm(words + types + positions), of the last two what there is.
struct EncoderEmbeddings {
  EmbeddingTable words;
  std::optional<EmbeddingTable> types;
  std::optional<EmbeddingTable> positions;
  NormWeight norm;
  float eps = 0.0F;

  /// \param places  of each token in `positions`; empty where there is no such table
  /// \returns [tokens, hidden]
  [[nodiscard]] Tensor look_up(Ops& ops, const PackedBatch& batch, std::span<const std::int32_t> places = {}) const;
};

enum class Positions { kNone, kTable };

/// embeddings.word_embeddings, token_type_embeddings if the configuration has types, position_embeddings, LayerNorm.
[[nodiscard]] EncoderEmbeddings take_embeddings(WeightMap& weights, Backend& backend, const EncoderConfig& config,
                                                Positions positions);

[[nodiscard]] PostNormLayer take_post_norm_layer(WeightMap& weights, Backend& backend, const std::string& prefix,
                                                 int hidden_size, int intermediate_size,
                                                 const PostNormNames& names = {});

/// NAME.weight [2 size, in_features], a gated layer whose second half is the one that is activated: the halves in the
/// order that Ops::gated_linear wants.
[[nodiscard]] std::array<LinearPart, 2> take_swapped_halves(WeightMap& weights, const std::string& name, int size,
                                                            int in_features);

/// One row per label: NAME.weight and NAME.bias.
[[nodiscard]] PredictionHead take_token_head(WeightMap& weights, Backend& backend, const std::string& name,
                                             int hidden_size, int num_labels);

/// activation(dense) of the first token, then one row per label.
[[nodiscard]] PredictionHead take_first_token_head(WeightMap& weights, Backend& backend, const std::string& dense,
                                                   Activation activation, const std::string& output, int hidden_size,
                                                   int num_labels);

/// Names of a masked language model's head: norm(activation(dense)), then the word embeddings or a matrix of its own.
struct MaskedLmNames {
  std::string dense;
  std::string norm;
  std::string decoder;
  std::string bias;
  std::string word_embeddings = "embeddings.word_embeddings";
};

[[nodiscard]] PredictionHead take_masked_lm_head(WeightMap& weights, Backend& backend, const MaskedLmNames& names,
                                                 Activation activation, float norm_eps, int hidden_size,
                                                 int vocab_size);

/// The heads of RoBERTa and of those that took them over; weights of the heads that are not wanted may stay.
/// \throws Error{kUnsupported} for a head that they have not
[[nodiscard]] PredictionHead take_roberta_head(WeightMap& weights, Backend& backend, std::string_view model_type,
                                               const EncoderConfig& config, const HeadSpec& spec);

/// \throws Error{kUnsupported}: encoders have no head of this kind
[[noreturn]] void refuse_head(std::string_view model_type, HeadKind kind);

}  // namespace mlxe
