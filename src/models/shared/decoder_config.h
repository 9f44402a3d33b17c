// What the configurations of all decoders say, checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "models/architecture.h"
#include "tensor/ops.h"

namespace mlxe {

struct DecoderConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;
  int head_dim = 0;
  int max_position_embeddings = 0;
  float norm_eps = 0.0F;
  bool tie_word_embeddings = false;
  std::optional<int> pad_token_id = {};
  bool looks_both_ways = false;
  std::vector<std::string> warnings = {};

  /// Scores with 1 / sqrt(head_dim), each token seeing all others.
  [[nodiscard]] AttentionSpec attention() const;
  [[nodiscard]] ModelTraits traits() const;
};

/// Names and values that the families do not share.
struct DecoderDefaults {
  std::string_view eps_key = "rms_norm_eps";
  double eps = 1e-6;
  std::optional<int> head_dim = {};  ///< if config.json has none; nothing: hidden_size / num_attention_heads
  bool tie_word_embeddings = false;
  std::string_view intermediate_key = "intermediate_size";
  /// The checkpoints' own code, which is written again here, has no causal mask.
  bool looks_both_ways = false;
};

/// Each token sees those before it, unless `is_causal` is false (transformers knows it for every decoder) or
/// `use_bidirectional_attention` is true (Gemma 3, and code of checkpoints).
/// \throws Error{kCorruptModel} for a size that is missing or absurd, for heads that do not divide and for words about
///         the direction that contradict each other
[[nodiscard]] DecoderConfig parse_decoder(const JsonFields& fields, const DecoderDefaults& defaults);

/// `layer_types` of config.json, if it has them: for each layer whether it is of kind `first` (otherwise `second`).
/// \throws Error{kCorruptModel} if there are more or fewer than num_layers, Error{kUnsupported} for another kind
[[nodiscard]] std::optional<std::vector<bool>> parse_layer_types(const JsonFields& fields, int num_layers,
                                                                 std::string_view first, std::string_view second);

/// Refuses a configuration that has `key`, and not null: the computation has no room for it.
void refuse_setting(const JsonFields& fields, std::string_view key);

}  // namespace mlxe
