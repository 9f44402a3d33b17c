// Jina's BERT (v2): attention that fades with distance instead of positions, gated layers. Source: modeling_bert.py of
// huggingface.co/jinaai/jina-bert-implementation and, for the generation with norms of queries and keys,
// huggingface.co/jinaai/jina-bert-v2-qk-post-norm
#include "models/shared/jina_bert.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/shared/encoder.h"
#include "models/shared/host_tensor.h"
#include "models/shared/take_weights.h"

namespace mlxe {
namespace {

Activation activation_of(const JsonFields& fields) {
  const std::string type = fields.text("feed_forward_type", "original");
  if (type != "geglu" && type != "reglu") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'feed_forward_type' is '{}', wanted 'geglu' or 'reglu'", fields.what(), type));
  }
  return type == "geglu" ? Activation::kGeluErf : Activation::kRelu;
}

EncoderConfig parse_config(const JsonFields& fields) {
  refuse_switches(fields, {"is_decoder", "add_cross_attention"});
  EncoderConfig config = read_encoder_config(fields, {.most_positions = 1 << 17});
  config.hidden_act = activation_of(fields);
  // No weight vouches for the positions, and each head has a number for each distance: 2^17 in jina-v2-base.
  constexpr int kMostNumbers = 1 << 25;
  if (config.max_position_embeddings > kMostNumbers / config.num_attention_heads) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'max_position_embeddings' is {}, wanted at most {} for {} attention heads",
                            fields.what(), config.max_position_embeddings, kMostNumbers / config.num_attention_heads,
                            config.num_attention_heads));
  }
  return config;
}

/// How fast each head's attention fades: a geometric series for a power of two, else that of the next lower one and
/// every second term of the next higher one's. In double, as Python computes it.
std::vector<double> fading_slopes(int num_heads) {
  const auto series = [](int heads) {
    std::vector<double> slopes;
    for (int head = 1; head <= heads; ++head) {
      slopes.push_back(std::exp2(-8.0 * head / heads));
    }
    return slopes;
  };
  const int lower = static_cast<int>(std::bit_floor(static_cast<unsigned>(num_heads)));
  std::vector<double> slopes = series(lower);
  const std::vector<double> higher = series(2 * lower);
  for (std::size_t i = 0; slopes.size() < static_cast<std::size_t>(num_heads); i += 2) {
    slopes.push_back(higher[i]);
  }
  return slopes;
}

DistanceBias fading_attention(int num_heads, int max_positions) {
  DistanceBias bias{.max_distance = max_positions - 1, .values = {}};
  for (const double slope : fading_slopes(num_heads)) {
    for (int distance = -bias.max_distance; distance <= bias.max_distance; ++distance) {
      bias.values.push_back(-static_cast<float>(slope) * static_cast<float>(std::abs(distance)));
    }
  }
  return bias;
}

struct Layer {
  PostNormLayer parts;
  // The second generation: norms of queries and keys over all heads, and one more norm behind the attention.
  NormWeight query_norm;
  NormWeight key_norm;
  NormWeight second_norm;
};

Layer take_layer(WeightMap& weights, Backend& backend, const EncoderConfig& config, int index, bool has_qk_norms) {
  const std::string name = fmt::format("encoder.layer.{}.", index);
  const int hidden = config.hidden_size;
  const int inner = config.intermediate_size;
  Layer layer;
  layer.parts.qkv =
      backend.linear_weight(std::array{take_part(weights, name + "attention.self.query", hidden, hidden),
                                       take_part(weights, name + "attention.self.key", hidden, hidden),
                                       take_part(weights, name + "attention.self.value", hidden, hidden)});
  layer.parts.attention_output = take_linear(weights, backend, name + "attention.output.dense", hidden, hidden);
  layer.parts.attention_norm = take_layer_norm(weights, backend, name + "attention.output.LayerNorm", hidden);
  if (!has_qk_norms) {
    layer.parts.intermediate = take_linear(weights, backend, name + "mlp.gated_layers", 2 * inner, hidden, Bias::kNone);
    layer.parts.output = take_linear(weights, backend, name + "mlp.wo", hidden, inner);
    layer.parts.output_norm = take_layer_norm(weights, backend, name + "mlp.layernorm", hidden);
    return layer;
  }
  layer.query_norm = take_layer_norm(weights, backend, name + "attention.self.layer_norm_q", hidden);
  layer.key_norm = take_layer_norm(weights, backend, name + "attention.self.layer_norm_k", hidden);
  layer.second_norm = take_layer_norm(weights, backend, name + "layer_norm_1", hidden);
  // Here the half that is activated comes second.
  layer.parts.intermediate =
      backend.linear_weight(take_swapped_halves(weights, name + "mlp.up_gated_layer", inner, hidden));
  layer.parts.output = take_linear(weights, backend, name + "mlp.down_layer", hidden, inner);
  layer.parts.output_norm = take_layer_norm(weights, backend, name + "layer_norm_2", hidden);
  return layer;
}

PredictionHead take_head(WeightMap& weights, Backend& backend, const EncoderConfig& config, const HeadSpec& spec) {
  for (const char* prefix : {"pooler.", "cls.", "classifier.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pooler.dense", Activation::kTanh, "classifier",
                                   config.hidden_size, spec.num_labels);
    default: refuse_head("bert with position_embedding_type 'alibi'", spec.kind);
  }
}

class JinaBert final : public HeadedModel {
 public:
  JinaBert(const EncoderConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        traits_(config.traits()),
        spec_(config.layer_spec(/*is_gated=*/true)),
        distance_bias_(fading_attention(config.num_attention_heads, config.max_position_embeddings)),
        has_qk_norms_(weights.has("encoder.layer.0.attention.self.layer_norm_q.weight")),
        embeddings_(take_embeddings(weights, backend, config, Positions::kNone)) {
    spec_.attention.distance_bias = &distance_bias_;
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index, has_qk_norms_));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor embedded = embeddings_.look_up(ops, batch);
    return through_layers(ops, layers_, embedded, wanted,
                          [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
                            return has_qk_norms_ ? forward_second_generation(ops, layer, x, batch, kept)
                                                 : post_norm_layer(ops, layer.parts, spec_, x, batch, kept);
                          });
  }

 private:
  Tensor forward_second_generation(Ops& ops, const Layer& layer, const Tensor& x, const PackedBatch& batch,
                                   const TokenChoice& kept) const {
    const int hidden = traits_.hidden_size;
    const PostNormLayer& parts = layer.parts;
    const Tensor qkv = ops.linear(x, parts.qkv);
    const Tensor q = ops.layer_norm(ops.columns(qkv, 0, hidden), layer.query_norm, spec_.eps);
    const Tensor k = ops.layer_norm(ops.columns(qkv, hidden, hidden), layer.key_norm, spec_.eps);
    const Tensor context = ops.attention(q, k, ops.columns(qkv, 2 * hidden, hidden), batch, spec_.attention, kept);
    const Tensor base = chosen_rows(ops, x, kept);
    const Tensor attended = ops.layer_norm(ops.linear(context, parts.attention_output, Activation::kNone, base),
                                           parts.attention_norm, spec_.eps);
    const Tensor y = ops.layer_norm(ops.add(base, attended), layer.second_norm, spec_.eps);
    const Tensor inner =
        ops.gated_linear_for(parts.output, y, parts.intermediate, Gate{.activation = spec_.activation});
    return ops.layer_norm(ops.linear(inner, parts.output, Activation::kNone, y), parts.output_norm, spec_.eps);
  }

  ModelTraits traits_;
  PostNormSpec spec_;
  DistanceBias distance_bias_;  // spec_ points to it
  bool has_qk_norms_;
  EncoderEmbeddings embeddings_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_jina_bert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                      const HeadSpec& head) {
  return std::make_unique<JinaBert>(parse_config(config), weights, backend, head);
}

}  // namespace mlxe
