// Taking the weights of a decoder: layers by the names that Llama gave them, and the heads on top.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/take_weights.h"
#include "nn/decoder.h"

namespace mlxe {

struct AttentionNames {
  std::string_view output = "o_proj";
  std::string_view q_norm = "q_norm";
  std::string_view k_norm = "k_norm";
};

/// Biases and norms that the families have or lack.
struct DecoderParts {
  Bias qkv_bias = Bias::kNone;
  Bias output_bias = Bias::kNone;
  Bias mlp_bias = Bias::kNone;
  bool has_qk_norm = false;
  float norm_offset = 0.0F;  ///< of every norm: 1 where the checkpoint stores w for a scale of 1 + w
};

/// NAME.q_proj, k_proj, v_proj, o_proj and, where `parts` says so, q_norm and k_norm.
[[nodiscard]] DecoderAttention take_attention(WeightMap& weights, Backend& backend, const std::string& name,
                                              const DecoderConfig& config, const DecoderParts& parts,
                                              const AttentionNames& names = {});

/// NAME.gate_proj, up_proj and down_proj.
[[nodiscard]] GatedMlp take_gated_mlp(WeightMap& weights, Backend& backend, const std::string& name,
                                      const DecoderConfig& config, Bias bias, Activation activation);

/// `score` over labels, some rows of the output embeddings, or a projector of two layers.
class DecoderHead {
 public:
  /// Tied tables are those of embed_tokens.
  /// \throws Error{kUnsupported} for a head over masked words, Error{kInvalidInput} for a token id beyond the
  /// vocabulary
  DecoderHead(WeightMap& weights, Backend& backend, const DecoderConfig& config, const HeadSpec& spec);

  [[nodiscard]] bool empty() const { return kind_ == HeadKind::kNone; }
  /// Model::tokens_of_logits() and Model::logits() of a model whose head this is.
  [[nodiscard]] TokenChoice tokens_of_logits(const PackedBatch& batch) const;
  [[nodiscard]] Tensor logits(Ops& ops, const Tensor& hidden) const;

 private:
  HeadKind kind_;
  std::optional<int> pad_token_id_;
  std::vector<std::int32_t> token_ids_;
  LinearWeight output_;
  LinearWeight projection_;  ///< after `output_`, of marked tokens
};

/// A model of decoder layers: the word embeddings below them and one of the heads above.
class DecoderModel : public Model {
 public:
  [[nodiscard]] const ModelTraits& traits() const final { return traits_; }
  [[nodiscard]] TokenChoice tokens_of_logits(const PackedBatch& batch) const final {
    return head_.tokens_of_logits(batch);
  }
  [[nodiscard]] Tensor logits(Ops& ops, const Tensor& hidden, const PackedBatch& batch) const final {
    return head_.empty() ? Model::logits(ops, hidden, batch) : head_.logits(ops, hidden);
  }

 protected:
  DecoderModel(const DecoderConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : traits_(config.traits()),
        head_(weights, backend, config, head),
        embeddings_(take_table(weights, backend, "embed_tokens", config.vocab_size, config.hidden_size)) {}

  /// \returns [tokens, hidden]
  [[nodiscard]] Tensor look_up(Ops& ops, const PackedBatch& batch) const;

 private:
  ModelTraits traits_;
  DecoderHead head_;
  EmbeddingTable embeddings_;
};

/// Without the prefix "model." that a model with a head has; nothing for the frequencies that older checkpoints saved.
[[nodiscard]] std::optional<std::string> decoder_weight_name(std::string_view checkpoint_name);

}  // namespace mlxe
