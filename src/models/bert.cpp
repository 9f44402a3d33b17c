// BERT: absolute positions, post-norm encoder. Source: transformers/models/bert/modeling_bert.py
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/take_weights.h"
#include "nn/activation.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

struct BertConfig {
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int intermediate_size = 0;
  int max_position_embeddings = 0;
  int type_vocab_size = 0;
  float layer_norm_eps = 0.0F;
  Activation hidden_act = Activation::kGeluErf;

  // Keys that are absent have the defaults of HF's BertConfig. The upper limits are far above any real model and low
  // enough that no product of two sizes overflows.
  static BertConfig parse(const JsonFields& fields) {
    const BertConfig config = {
        .vocab_size = fields.integer("vocab_size", 1, 1 << 24, 30522),
        .hidden_size = fields.integer("hidden_size", 1, 1 << 15, 768),
        .num_hidden_layers = fields.integer("num_hidden_layers", 1, 1024, 12),
        .num_attention_heads = fields.integer("num_attention_heads", 1, 1 << 12, 12),
        .intermediate_size = fields.integer("intermediate_size", 1, 1 << 17, 3072),
        .max_position_embeddings = fields.integer("max_position_embeddings", 1, 1 << 20, 512),
        .type_vocab_size = fields.integer("type_vocab_size", 1, 1 << 10, 2),
        .layer_norm_eps = static_cast<float>(fields.number("layer_norm_eps", 0.0, 1.0, 1e-12)),
        .hidden_act = activation_from_hf(fields.text("hidden_act", "gelu")),
    };
    if (config.hidden_size % config.num_attention_heads != 0) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: 'hidden_size' is {}, wanted a multiple of 'num_attention_heads', which is {}",
                              fields.what(), config.hidden_size, config.num_attention_heads));
    }
    if (const std::string kind = fields.text("position_embedding_type", "absolute"); kind != "absolute") {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{}: 'position_embedding_type' is '{}', only 'absolute' is supported", fields.what(), kind));
    }
    for (const char* key : {"is_decoder", "add_cross_attention"}) {
      if (fields.boolean(key, false)) {
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("{}: '{}' is true, only encoders (false) are supported", fields.what(), key));
      }
    }
    return config;
  }
};

struct Layer {
  LinearWeight qkv;
  LinearWeight attention_output;
  NormWeight attention_norm;
  LinearWeight intermediate;
  LinearWeight output;
  NormWeight output_norm;
};

Layer take_layer(WeightMap& weights, Backend& backend, const BertConfig& config, int index) {
  const std::string name = fmt::format("encoder.layer.{}.", index);
  const int hidden = config.hidden_size;
  const auto linear = [&](const char* part, int out_features, int in_features) {
    return take_linear(weights, backend, name + part, out_features, in_features);
  };
  return {
      .qkv = backend.linear_weight(std::array{take_part(weights, name + "attention.self.query", hidden, hidden),
                                              take_part(weights, name + "attention.self.key", hidden, hidden),
                                              take_part(weights, name + "attention.self.value", hidden, hidden)}),
      .attention_output = linear("attention.output.dense", hidden, hidden),
      .attention_norm = take_layer_norm(weights, backend, name + "attention.output.LayerNorm", hidden),
      .intermediate = linear("intermediate.dense", config.intermediate_size, hidden),
      .output = linear("output.dense", hidden, config.intermediate_size),
      .output_norm = take_layer_norm(weights, backend, name + "output.LayerNorm", hidden),
  };
}

/// Any one head of the checkpoint; what its kind does not have stays empty.
struct BertHead {
  LinearWeight pooler;     // sequence: tanh, on the first token
  LinearWeight transform;  // masked LM: dense, activation, norm
  NormWeight transform_norm;
  LinearWeight output;  // labels or the vocabulary
};

BertHead take_head(WeightMap& weights, Backend& backend, const BertConfig& config, const HeadSpec& spec) {
  const int hidden = config.hidden_size;
  BertHead head;
  switch (spec.kind) {
    case HeadKind::kNone: break;
    case HeadKind::kSequence:
      head.pooler = take_linear(weights, backend, "pooler.dense", hidden, hidden);
      head.output = take_linear(weights, backend, "classifier", spec.num_labels, hidden);
      break;
    case HeadKind::kToken: head.output = take_linear(weights, backend, "classifier", spec.num_labels, hidden); break;
    case HeadKind::kMaskedLm: {
      head.transform = take_linear(weights, backend, "cls.predictions.transform.dense", hidden, hidden);
      head.transform_norm = take_layer_norm(weights, backend, "cls.predictions.transform.LayerNorm", hidden);
      head.output = take_tied_decoder(weights, backend, "cls.predictions.decoder", "cls.predictions.bias",
                                      "embeddings.word_embeddings", config.vocab_size, hidden);
      break;
    }
    case HeadKind::kNextToken: throw Error(ErrorCode::kUnsupported, "bert is no decoder: it has no next-token logits");
  }
  // Heads of other tasks, and the pooler that only some of them use.
  for (const char* prefix : {"pooler.", "cls.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  return head;
}

class Bert final : public Model {
 public:
  Bert(const BertConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : config_(config),
        head_kind_(head.kind),
        traits_{.hidden_size = config.hidden_size,
                .num_layers = config.num_hidden_layers,
                .max_positions = config.max_position_embeddings,
                .vocab_size = config.vocab_size,
                .num_token_types = config.type_vocab_size},
        attention_{.num_heads = config.num_attention_heads,
                   .num_kv_heads = config.num_attention_heads,
                   .head_dim = config.hidden_size / config.num_attention_heads,
                   .scale = 1.0F / std::sqrt(static_cast<float>(config.hidden_size / config.num_attention_heads))} {
    const int hidden = config.hidden_size;
    head_ = take_head(weights, backend, config, head);
    word_embeddings_ = take_table(weights, backend, "embeddings.word_embeddings", config.vocab_size, hidden);
    token_type_embeddings_ =
        take_table(weights, backend, "embeddings.token_type_embeddings", config.type_vocab_size, hidden);
    position_embeddings_ =
        take_table(weights, backend, "embeddings.position_embeddings", config.max_position_embeddings, hidden);
    embeddings_norm_ = take_layer_norm(weights, backend, "embeddings.LayerNorm", config.hidden_size);
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch) const override {
    const std::vector<std::int32_t> positions = positions_in_rows(batch);
    const std::array lookups = {Lookup{&word_embeddings_, batch.token_ids},
                                Lookup{&token_type_embeddings_, batch.type_ids},
                                Lookup{&position_embeddings_, positions}};
    Tensor x = ops.layer_norm(ops.gather_sum(lookups), embeddings_norm_, config_.layer_norm_eps);
    for (const Layer& layer : layers_) {
      x = forward_layer(ops, layer, x, batch);
    }
    return x;  // [tokens, hidden]
  }

  Tensor logits(Ops& ops, const Tensor& hidden, const PackedBatch& batch) const override {
    switch (head_kind_) {
      case HeadKind::kSequence: {
        const Tensor first = ops.pool(hidden, batch, PoolingMode::kCls, {});
        return ops.linear(ops.linear(first, head_.pooler, Activation::kTanh), head_.output);
      }
      case HeadKind::kToken: return ops.linear(hidden, head_.output);
      case HeadKind::kMaskedLm: {
        const Tensor transformed = ops.linear(hidden, head_.transform, config_.hidden_act);
        return ops.linear(ops.layer_norm(transformed, head_.transform_norm, config_.layer_norm_eps), head_.output);
      }
      default: return Model::logits(ops, hidden, batch);
    }
  }

 private:
  Tensor forward_layer(Ops& ops, const Layer& layer, const Tensor& x, const PackedBatch& batch) const {
    const int hidden = config_.hidden_size;
    const float eps = config_.layer_norm_eps;

    const Tensor qkv = ops.linear(x, layer.qkv);  // [tokens, 3 * hidden]
    const Tensor context = ops.attention(ops.columns(qkv, 0, hidden), ops.columns(qkv, hidden, hidden),
                                         ops.columns(qkv, 2 * hidden, hidden), batch, attention_);
    const Tensor attended =
        ops.layer_norm(ops.linear(context, layer.attention_output, Activation::kNone, x), layer.attention_norm, eps);

    const Tensor inner = ops.linear(attended, layer.intermediate, config_.hidden_act);  // [tokens, intermediate]
    return ops.layer_norm(ops.linear(inner, layer.output, Activation::kNone, attended), layer.output_norm, eps);
  }

  BertConfig config_;
  HeadKind head_kind_;
  BertHead head_;
  ModelTraits traits_;
  AttentionSpec attention_;
  EmbeddingTable word_embeddings_;
  EmbeddingTable token_type_embeddings_;
  EmbeddingTable position_embeddings_;
  NormWeight embeddings_norm_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_bert(const JsonFields& config, WeightMap& weights, Backend& backend, const HeadSpec& head) {
  return std::make_unique<Bert>(BertConfig::parse(config), weights, backend, head);
}

std::optional<std::string> bert_weight_name(std::string_view checkpoint_name) {
  std::string_view name = checkpoint_name;
  if (name.starts_with("bert.")) {
    name.remove_prefix(5);
  }
  // A buffer that older versions of transformers saved.
  if (name == "embeddings.position_ids") {
    return std::nullopt;
  }
  // Checkpoints converted from TensorFlow call scale and shift gamma and beta.
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

}  // namespace mlxe
