// Checks, names, layers and heads that encoders share.
#include "models/shared/encoder.h"

#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/shared/host_tensor.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"

namespace mlxe {

ModelTraits EncoderConfig::traits() const {
  return {.hidden_size = hidden_size,
          .num_layers = num_hidden_layers,
          .max_positions = max_position_embeddings,
          .vocab_size = vocab_size,
          .num_token_types = type_vocab_size};
}

PostNormSpec EncoderConfig::layer_spec(bool is_gated) const {
  return {.attention = encoder_attention(hidden_size, num_attention_heads),
          .activation = hidden_act,
          .is_gated = is_gated,
          .eps = layer_norm_eps};
}

Tensor EncoderEmbeddings::look_up(Ops& ops, const PackedBatch& batch, std::span<const std::int32_t> places) const {
  std::vector<Lookup> lookups = {{&words, batch.token_ids}};
  if (types) {
    lookups.push_back({&*types, batch.type_ids});
  }
  if (positions) {
    lookups.push_back({&*positions, places});
  }
  return ops.layer_norm(ops.gather_sum(lookups), norm, eps);
}

EncoderEmbeddings take_embeddings(WeightMap& weights, Backend& backend, const EncoderConfig& config,
                                  Positions positions) {
  const auto table = [&](const char* name, int rows) {
    return take_table(weights, backend, name, rows, config.hidden_size);
  };
  EncoderEmbeddings embeddings = {
      .words = table("embeddings.word_embeddings", config.vocab_size),
      .types = std::nullopt,
      .positions = std::nullopt,
      .norm = take_layer_norm(weights, backend, "embeddings.LayerNorm", config.hidden_size),
      .eps = config.layer_norm_eps,
  };
  if (config.type_vocab_size > 0) {
    embeddings.types = table("embeddings.token_type_embeddings", config.type_vocab_size);
  }
  if (positions == Positions::kTable) {
    embeddings.positions = table("embeddings.position_embeddings", config.max_position_embeddings);
  }
  return embeddings;
}

EncoderConfig read_encoder_config(const JsonFields& config, const EncoderDefaults& defaults) {
  const EncoderConfig read = {
      .vocab_size = config.integer("vocab_size", 1, 1 << 24, defaults.vocab_size),
      .hidden_size = config.integer("hidden_size", 1, 1 << 15, defaults.hidden_size),
      .num_hidden_layers = config.integer("num_hidden_layers", 1, 1024, defaults.num_hidden_layers),
      .num_attention_heads = config.integer("num_attention_heads", 1, 1 << 12, defaults.num_attention_heads),
      .intermediate_size = config.integer("intermediate_size", 1, 1 << 17, defaults.intermediate_size),
      .max_position_embeddings = config.integer("max_position_embeddings", defaults.least_positions,
                                                defaults.most_positions, defaults.max_position_embeddings),
      .type_vocab_size = config.integer("type_vocab_size", defaults.least_types, 1 << 10, defaults.type_vocab_size),
      .layer_norm_eps = static_cast<float>(config.number("layer_norm_eps", 0.0, 1.0, defaults.layer_norm_eps)),
      .hidden_act = activation_from_hf(config.text("hidden_act", "gelu")),
  };
  require_whole_heads(config, "hidden_size", read.hidden_size, "num_attention_heads", read.num_attention_heads);
  return read;
}

void require_whole_heads(const JsonFields& config, std::string_view hidden_key, int hidden_size,
                         std::string_view heads_key, int num_heads) {
  if (hidden_size % num_heads != 0) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' is {}, wanted a multiple of '{}', which is {}",
                                                      config.what(), hidden_key, hidden_size, heads_key, num_heads));
  }
}

void refuse_switches(const JsonFields& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (config.boolean(key, false)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: '{}' is true, only false is supported", config.what(), key));
    }
  }
}

void require_text(const JsonFields& config, std::string_view key, std::string_view wanted) {
  if (const std::string found = config.text(key, wanted); found != wanted) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: '{}' is '{}', only '{}' is supported", config.what(), key, found, wanted));
  }
}

AttentionSpec encoder_attention(int hidden_size, int num_heads) {
  const int head_dim = hidden_size / num_heads;
  return {.num_heads = num_heads,
          .num_kv_heads = num_heads,
          .head_dim = head_dim,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

std::optional<std::string> encoder_weight_name(std::string_view checkpoint_name, std::string_view prefix) {
  std::string_view name = checkpoint_name;
  if (name.starts_with(prefix)) {
    name.remove_prefix(prefix.size());
  }
  if (name == "embeddings.position_ids") {
    return std::nullopt;
  }
  constexpr std::string_view kGamma = "LayerNorm.gamma";
  constexpr std::string_view kBeta = "LayerNorm.beta";
  if (name.ends_with(kGamma)) {
    return std::string(name.substr(0, name.size() - 5)) + "weight";
  }
  if (name.ends_with(kBeta)) {
    return std::string(name.substr(0, name.size() - 4)) + "bias";
  }
  return std::string(name);
}

PostNormLayer take_post_norm_layer(WeightMap& weights, Backend& backend, const std::string& prefix, int hidden_size,
                                   int intermediate_size, const PostNormNames& names) {
  const int hidden = hidden_size;
  return {
      .qkv = backend.linear_weight(std::array{take_part(weights, prefix + names.query, hidden, hidden),
                                              take_part(weights, prefix + names.key, hidden, hidden),
                                              take_part(weights, prefix + names.value, hidden, hidden)}),
      .attention_output = take_linear(weights, backend, prefix + names.attention_output, hidden, hidden),
      .attention_norm = take_layer_norm(weights, backend, prefix + names.attention_norm, hidden),
      .intermediate = take_linear(weights, backend, prefix + names.intermediate, intermediate_size, hidden),
      .output = take_linear(weights, backend, prefix + names.output, hidden, intermediate_size),
      .output_norm = take_layer_norm(weights, backend, prefix + names.output_norm, hidden),
  };
}

std::array<LinearPart, 2> take_swapped_halves(WeightMap& weights, const std::string& name, int size, int in_features) {
  const HostTensor both = weights.take(name + ".weight", {2 * size, in_features});
  return {LinearPart{.weight = row_slice(both, size, size), .bias = std::nullopt},
          LinearPart{.weight = row_slice(both, 0, size), .bias = std::nullopt}};
}

PredictionHead take_token_head(WeightMap& weights, Backend& backend, const std::string& name, int hidden_size,
                               int num_labels) {
  PredictionHead head;
  head.output = take_linear(weights, backend, name, num_labels, hidden_size);
  return head;
}

PredictionHead take_first_token_head(WeightMap& weights, Backend& backend, const std::string& dense,
                                     Activation activation, const std::string& output, int hidden_size,
                                     int num_labels) {
  PredictionHead head;
  head.pooling = PoolingMode::kCls;
  head.dense = take_linear(weights, backend, dense, hidden_size, hidden_size);
  head.activation = activation;
  head.output = take_linear(weights, backend, output, num_labels, hidden_size);
  return head;
}

PredictionHead take_masked_lm_head(WeightMap& weights, Backend& backend, const MaskedLmNames& names,
                                   Activation activation, float norm_eps, int hidden_size, int vocab_size) {
  PredictionHead head;
  head.dense = take_linear(weights, backend, names.dense, hidden_size, hidden_size);
  head.activation = activation;
  head.norm = take_layer_norm(weights, backend, names.norm, hidden_size);
  head.norm_eps = norm_eps;
  head.output =
      take_tied_decoder(weights, backend, names.decoder, names.bias, names.word_embeddings, vocab_size, hidden_size);
  return head;
}

PredictionHead take_roberta_head(WeightMap& weights, Backend& backend, std::string_view model_type,
                                 const EncoderConfig& config, const HeadSpec& spec) {
  const int hidden = config.hidden_size;
  for (const char* prefix : {"pooler.", "lm_head.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "classifier.dense", Activation::kTanh, "classifier.out_proj",
                                   hidden, spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", hidden, spec.num_labels);
    case HeadKind::kMaskedLm:  // its activation is the erf GELU whatever hidden_act says
      return take_masked_lm_head(weights, backend,
                                 {.dense = "lm_head.dense",
                                  .norm = "lm_head.layer_norm",
                                  .decoder = "lm_head.decoder",
                                  .bias = "lm_head.bias"},
                                 Activation::kGeluErf, config.layer_norm_eps, hidden, config.vocab_size);
    default: break;  // a decoder's
  }
  refuse_head(model_type, spec.kind);
}

void refuse_head(std::string_view model_type, HeadKind kind) {
  const char* const what = kind == HeadKind::kSequence    ? "labels of texts"
                           : kind == HeadKind::kToken     ? "labels of tokens"
                           : kind == HeadKind::kMaskedLm  ? "logits of masked words"
                           : kind == HeadKind::kNextToken ? "next-token logits"
                                                          : "vectors of marked tokens";
  throw Error(ErrorCode::kUnsupported, fmt::format("{} has no head for {}", model_type, what));
}

}  // namespace mlxe
