// Nomic's BERT: rotary positions, gated layers, and mixtures of experts in some of them.
// Source: transformers/models/nomic_bert/modeling_nomic_bert.py; for GPT-2's words in config.json and for the experts
// modeling_hf_nomic_bert.py of huggingface.co/nomic-ai/nomic-bert-2048
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/encoder.h"
#include "models/shared/host_tensor.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"
#include "nn/moe.h"

namespace mlxe {
namespace {

struct NomicBertConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int num_layers = 0;
  int num_heads = 0;
  int intermediate_size = 0;
  int max_positions = 0;
  int type_vocab_size = 0;
  float norm_eps = 0.0F;
  Activation activation = Activation::kSilu;
  bool is_gated = true;
  Bias qkv_bias = Bias::kNone;
  Bias fc1_bias = Bias::kNone;
  Bias fc2_bias = Bias::kNone;
  RopeFrequencies rope = {};
  // Experts instead of the MLP in layers 1, 1 + every, ...; 0: in none.
  int moe_every_n_layers = 0;
  int num_experts = 0;
  int moe_top_k = 0;
  ExpertWeights expert_weights = ExpertWeights::kSoftmaxOfAll;

  static NomicBertConfig parse(const JsonFields& fields) {
    NomicBertConfig config = fields.has("n_embd") ? parse_hub(fields) : parse_native(fields);
    if (config.num_experts > 0 && config.is_gated) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'activation_function' is '{}', with experts only plain ones are supported",
                              fields.what(), fields.text("activation_function")));
    }
    return config;
  }

  [[nodiscard]] bool has_experts(int layer) const { return moe_every_n_layers > 0 && layer % moe_every_n_layers == 1; }

 private:
  static NomicBertConfig parse_native(const JsonFields& fields) {
    NomicBertConfig config = {
        .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 30528),
        .hidden_size = fields.integer("hidden_size", 1, 1 << 15, 768),
        .num_layers = fields.integer("num_hidden_layers", 1, 1024, 12),
        .num_heads = fields.integer("num_attention_heads", 1, 1 << 12, 12),
        .intermediate_size = fields.integer("intermediate_size", 1, 1 << 17, 3072),
        .max_positions = fields.integer("max_position_embeddings", 1, 1 << 20, 2048),
        .type_vocab_size = fields.integer("type_vocab_size", 1, 1 << 10, 2),
        .norm_eps = static_cast<float>(fields.number("layer_norm_eps", 0.0, 1.0, 1e-12)),
        .activation = activation_from_hf(fields.text("hidden_act", "silu")),
    };
    require_whole_heads(fields, "hidden_size", config.hidden_size, "num_attention_heads", config.num_heads);
    const int head_dim = config.hidden_size / config.num_heads;
    if (fields.integer("head_dim", 1, 1 << 15, head_dim) != head_dim) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: 'head_dim' is {}, only {} is supported: 'hidden_size' over 'num_attention_heads'",
                              fields.what(), fields.at("head_dim").dump(), head_dim));
    }
    config.rope = read_rope(fields, {.head_dim = head_dim});
    return config;
  }

  static NomicBertConfig parse_hub(const JsonFields& fields) {
    refuse_switches(fields, {"causal", "prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved",
                             "expert_choice_router"});
    refuse_setting(fields, "rotary_emb_scale_base");
    const auto bias = [&](const char* key) { return fields.boolean(key, true) ? Bias::kYes : Bias::kNone; };
    // GPT-2's own default is another GELU than the one that the Hub's code falls back to, so there is none here.
    const std::string activation = fields.text("activation_function");
    NomicBertConfig config = {
        .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 50257),
        .hidden_size = fields.integer("n_embd", 1, 1 << 15),
        .num_layers = fields.integer("n_layer", 1, 1024, 12),
        .num_heads = fields.integer("n_head", 1, 1 << 12, 12),
        .intermediate_size = 0,
        .max_positions = fields.integer("n_positions", 1, 1 << 20, 1024),
        .type_vocab_size = fields.integer("type_vocab_size", 1, 1 << 10, 2),
        .norm_eps = static_cast<float>(fields.number("layer_norm_epsilon", 0.0, 1.0, 1e-5)),
        .activation = activation == "swiglu"  ? Activation::kSilu
                      : activation == "geglu" ? Activation::kGeluErf
                      : activation == "glu"   ? Activation::kSigmoid
                                              : activation_from_hf(activation),
        .is_gated = activation == "swiglu" || activation == "geglu" || activation == "glu",
        .qkv_bias = bias("qkv_proj_bias"),
        .fc1_bias = bias("mlp_fc1_bias"),
        .fc2_bias = bias("mlp_fc2_bias"),
    };
    config.intermediate_size = fields.integer("n_inner", 1, 1 << 17, 4 * config.hidden_size);
    require_whole_heads(fields, "n_embd", config.hidden_size, "n_head", config.num_heads);
    // Beyond the trained length a scaling factor changes the frequencies with the length of the text.
    if (fields.has("rotary_scaling_factor")) {
      config.max_positions = std::min(config.max_positions, fields.integer("max_trained_positions", 1, 1 << 20, 2048));
    }
    const double fraction = fields.number("rotary_emb_fraction", 0.0, 1.0, 0.0);
    const int rotary_dim = static_cast<int>(config.hidden_size / config.num_heads * fraction);
    if (rotary_dim < 2 || rotary_dim % 2 != 0) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{}: 'rotary_emb_fraction' is {}, wanted a part of a head of {} that is even and not empty",
                      fields.what(), fraction, config.hidden_size / config.num_heads));
    }
    config.rope.inverse = inverse_frequencies(fields.number("rotary_emb_base", 1.001, 1e12), rotary_dim);
    parse_experts(fields, config);
    return config;
  }

  static void parse_experts(const JsonFields& fields, NomicBertConfig& config) {
    if (fields.integer("num_shared_experts", 0, 1 << 16, 0) != 0) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: 'num_shared_experts' is {}, only 0 is supported",
                                                       fields.what(), fields.at("num_shared_experts").dump()));
    }
    config.num_experts = fields.integer("num_experts", 0, 1 << 12, 0);
    if (config.num_experts == 0) {
      return;
    }
    config.moe_every_n_layers = fields.integer("moe_every_n_layers", 0, 1024, 0);
    config.moe_top_k = fields.integer("moe_top_k", 1, config.num_experts, 1);
    if (fields.boolean("moe_normalize_expert_weights", false)) {
      config.expert_weights = ExpertWeights::kSoftmaxOfChosen;
    }
  }
};

struct Expert {
  LinearWeight inner;
  LinearWeight output;
};

struct Layer {
  PostNormLayer parts;  // intermediate and output stay empty where there are experts
  Router router;
  std::vector<Expert> experts;  // empty: a plain layer
  EmbeddingTable experts_bias;  // one row
};

// All experts' first matrices are one tensor, and so are their second ones, which multiply from the other side.
void take_experts(WeightMap& weights, Backend& backend, const NomicBertConfig& config, const std::string& name,
                  Layer& layer) {
  const int hidden = config.hidden_size;
  const int inner = config.intermediate_size;
  const int count = config.num_experts;
  layer.router = {.in_features = hidden,
                  .num_experts = count,
                  .weight = to_floats(weights.take(name + "router.layer.weight", {count, hidden})),
                  .bias = {}};
  const HostTensor first = weights.take(name + "experts.mlp.w1", {count * inner, hidden});
  const HostTensor second = weights.take(name + "experts.mlp.w2", {count * inner, hidden});
  const bool is_whole = first.has_data() && second.has_data();  // otherwise the loader will say what is wrong
  for (int expert = 0; is_whole && expert < count; ++expert) {
    const LinearPart in{.weight = row_slice(first, expert * inner, inner), .bias = std::nullopt};
    const LinearPart out{.weight = transposed(row_slice(second, expert * inner, inner)), .bias = std::nullopt};
    layer.experts.push_back({.inner = backend.linear_weight({&in, 1}), .output = backend.linear_weight({&out, 1})});
  }
  HostTensor bias = weights.take(name + "experts.bias", {hidden});
  bias.shape = {1, hidden};
  layer.experts_bias = backend.embedding_table(bias);
}

Layer take_layer(WeightMap& weights, Backend& backend, const NomicBertConfig& config, int index) {
  const std::string name = fmt::format("encoder.layers.{}.", index);
  const int hidden = config.hidden_size;
  const int inner = config.intermediate_size;
  Layer layer;
  PostNormLayer& parts = layer.parts;
  parts.qkv = take_linear(weights, backend, name + "attn.Wqkv", 3 * hidden, hidden, config.qkv_bias);
  parts.attention_output = take_linear(weights, backend, name + "attn.out_proj", hidden, hidden, config.qkv_bias);
  parts.attention_norm = take_layer_norm(weights, backend, name + "norm1", hidden);
  parts.output_norm = take_layer_norm(weights, backend, name + "norm2", hidden);
  if (config.has_experts(index)) {
    take_experts(weights, backend, config, name + "mlp.", layer);
    return layer;
  }
  if (config.is_gated) {  // fc12 is the half that is activated
    parts.intermediate =
        backend.linear_weight(std::array{take_part(weights, name + "mlp.fc12", inner, hidden, config.fc1_bias),
                                         take_part(weights, name + "mlp.fc11", inner, hidden, config.fc1_bias)});
  } else {
    parts.intermediate = take_linear(weights, backend, name + "mlp.fc1", inner, hidden, config.fc1_bias);
  }
  parts.output = take_linear(weights, backend, name + "mlp.fc2", hidden, inner, config.fc2_bias);
  return layer;
}

class NomicBert final : public Model {
 public:
  NomicBert(const NomicBertConfig& config, WeightMap& weights, Backend& backend)
      : config_(config),
        traits_{.hidden_size = config.hidden_size,
                .num_layers = config.num_layers,
                .max_positions = config.max_positions,
                .vocab_size = config.vocab_size,
                .num_token_types = config.type_vocab_size},
        spec_{.attention = encoder_attention(config.hidden_size, config.num_heads),
              .activation = config.activation,
              .is_gated = config.is_gated,
              .eps = config.norm_eps} {
    const int hidden = config.hidden_size;
    word_embeddings_ = take_table(weights, backend, "embeddings.word_embeddings", config.vocab_size, hidden);
    token_type_embeddings_ =
        take_table(weights, backend, "embeddings.token_type_embeddings", config.type_vocab_size, hidden);
    embeddings_norm_ = take_layer_norm(weights, backend, "emb_ln", hidden);
    for (int index = 0; index < config.num_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index));
    }
    for (const char* prefix : {"pooler.", "cls.", "classifier."}) {
      weights.allow_unused(prefix);
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor rotary = rotary_table(ops, batch, config_.rope);
    const std::array lookups = {Lookup{&word_embeddings_, batch.token_ids},
                                Lookup{&token_type_embeddings_, batch.type_ids}};
    const Tensor embedded = ops.layer_norm(ops.gather_sum(lookups), embeddings_norm_, spec_.eps);
    return through_layers(
        ops, layers_, embedded, wanted, [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
          if (layer.experts.empty()) {
            return post_norm_layer(ops, layer.parts, spec_, x, batch, kept, rotary);
          }
          const Tensor attended = post_norm_attention(ops, layer.parts, spec_, x, batch, kept, rotary);
          return ops.layer_norm(ask_experts(ops, layer, attended), layer.parts.output_norm, spec_.eps);
        });
  }

 private:
  /// x + what the experts say of it + their common bias
  Tensor ask_experts(Ops& ops, const Layer& layer, const Tensor& x) const {
    const ExpertChoice choice = choose_experts(ops, x, layer.router, config_.moe_top_k, config_.expert_weights);
    const std::vector<std::int32_t> first_row(static_cast<std::size_t>(x.rows()));
    const Lookup bias{&layer.experts_bias, first_row};
    return mix_experts(ops, x, ops.add(x, ops.gather_sum({&bias, 1})), choice, [&](int number, const Tensor& tokens) {
      const Expert& expert = layer.experts[static_cast<std::size_t>(number)];
      return ops.linear(ops.linear_for(expert.output, tokens, expert.inner, config_.activation), expert.output);
    });
  }

  NomicBertConfig config_;
  ModelTraits traits_;
  PostNormSpec spec_;
  EmbeddingTable word_embeddings_;
  EmbeddingTable token_type_embeddings_;
  NormWeight embeddings_norm_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_nomic_bert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                       const HeadSpec& head) {
  if (head.kind != HeadKind::kNone) {
    refuse_head("nomic_bert", head.kind);
  }
  return std::make_unique<NomicBert>(NomicBertConfig::parse(config), weights, backend);
}

std::optional<std::string> nomic_bert_weight_name(std::string_view checkpoint_name) {
  constexpr std::string_view kNewPrefix = "nomic_bert.";
  return encoder_weight_name(checkpoint_name, checkpoint_name.starts_with(kNewPrefix) ? kNewPrefix : "bert.");
}

}  // namespace mlxe
