// DeBERTa v2 and v3: post-norm layers whose scores also compare contents with relative positions.
// Source: transformers/models/deberta_v2/modeling_deberta_v2.py
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/architecture.h"
#include "models/shared/deberta_config.h"
#include "models/shared/encoder.h"
#include "models/shared/host_tensor.h"
#include "models/shared/take_weights.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

struct Layer {
  PostNormLayer parts;
  std::optional<PositionTable> position_keys;     // scaled; compared with queries
  std::optional<PositionTable> position_queries;  // compared with keys
};

constexpr PostNormNames kLayerNames = {
    .query = "attention.self.query_proj", .key = "attention.self.key_proj", .value = "attention.self.value_proj"};

/// Positions are the same for every text, so what a layer makes of them is computed once.
class PositionProjector {
 public:
  /// \param buckets  the rows of the table that are wanted
  PositionProjector(const DebertaConfig& config, std::span<const std::int32_t> buckets, WeightMap& weights,
                    Backend& backend)
      : config_(config), num_buckets_(static_cast<int>(buckets.size())), backend_(backend) {
    if (!config.relative_attention) {
      return;
    }
    const HostTensor table = weights.take("encoder.rel_embeddings.weight", {config.num_buckets(), config.hidden_size});
    std::optional<NormWeight> norm;
    bool is_whole = table.has_data();
    if (config.norm_rel_ebd) {
      const HostTensor weight = weights.take("encoder.LayerNorm.weight", {config.hidden_size});
      const HostTensor bias = weights.take("encoder.LayerNorm.bias", {config.hidden_size});
      norm = backend.norm_weight(weight, bias);
      is_whole = is_whole && weight.has_data() && bias.has_data();
    }
    if (!is_whole) {
      return;  // the loader will say what is wrong
    }
    embeddings_.resize(buckets.size() * static_cast<std::size_t>(config.hidden_size));
    const EmbeddingTable rows = backend.embedding_table(table);
    const Lookup lookup{&rows, buckets};
    backend.run(1, [&](Ops& ops, std::size_t) {
      const Tensor wanted = ops.gather_sum({&lookup, 1});
      ops.read(norm ? ops.layer_norm(wanted, *norm, config.layer_norm_eps) : wanted, embeddings_);
    });
  }

  /// Empty if a weight is missing.
  [[nodiscard]] PositionTable project(const LinearPart& projection, Compared compared) const {
    if (embeddings_.empty() || !projection.weight.has_data() || !projection.bias->has_data()) {
      return {};
    }
    const EmbeddingTable rows = backend_.embedding_table(host_matrix(embeddings_));
    std::vector<std::int32_t> all(static_cast<std::size_t>(num_buckets_));
    std::iota(all.begin(), all.end(), 0);
    const Lookup lookup{&rows, all};
    const LinearWeight weight = backend_.linear_weight({&projection, 1});
    std::vector<float> projected(embeddings_.size());
    backend_.run(1, [&](Ops& ops, std::size_t) {
      ops.read(ops.scale(ops.linear(ops.gather_sum({&lookup, 1}), weight), config_.score_scale()), projected);
    });
    return backend_.position_table(host_matrix(projected), config_.num_attention_heads, compared);
  }

 private:
  /// A view of `values`, [buckets, hidden].
  [[nodiscard]] HostTensor host_matrix(std::span<const float> values) const {
    HostTensor tensor;
    tensor.shape = {num_buckets_, config_.hidden_size};
    tensor.data = reinterpret_cast<const std::byte*>(values.data());
    return tensor;
  }

  const DebertaConfig& config_;
  int num_buckets_;
  Backend& backend_;
  std::vector<float> embeddings_;  // [buckets, hidden], normalised where the model does
};

Layer take_layer(WeightMap& weights, Backend& backend, const DebertaConfig& config, int index,
                 const PositionProjector& projector) {
  const std::string name = fmt::format("encoder.layer.{}.", index);
  const int hidden = config.hidden_size;
  Layer layer;
  if (config.relative_attention) {
    // Projections of their own, or those of queries and keys, whose weights are taken with the layer.
    const auto project = [&](const char* own, const char* shared, Compared compared) {
      const auto tensor = [&](const char* kind, const Shape& shape) {
        return config.share_att_key ? weights.borrow(name + shared + kind, shape)
                                    : weights.take(name + own + kind, shape);
      };
      return projector.project({.weight = tensor(".weight", {hidden, hidden}), .bias = tensor(".bias", {hidden})},
                               compared);
    };
    if (config.content_to_position) {
      layer.position_keys = project("attention.self.pos_key_proj", kLayerNames.key, Compared::kQueries);
    }
    if (config.position_to_content) {
      layer.position_queries = project("attention.self.pos_query_proj", kLayerNames.query, Compared::kKeys);
    }
  }
  layer.parts = take_post_norm_layer(weights, backend, name, hidden, config.intermediate_size, kLayerNames);
  return layer;
}

/// A convolution along the tokens, over all channels: a linear layer on each token beside its neighbours.
struct Convolution {
  LinearWeight weight;  // of [taps * hidden] values: the tokens before, the token, the tokens after
  NormWeight norm;
};

std::optional<Convolution> take_convolution(WeightMap& weights, Backend& backend, const DebertaConfig& config) {
  if (config.conv_taps == 0) {
    return std::nullopt;
  }
  const auto hidden = static_cast<std::size_t>(config.hidden_size);
  const auto taps = static_cast<std::size_t>(config.conv_taps);
  const HostTensor stored =
      weights.take("encoder.conv.conv.weight", {config.hidden_size, config.hidden_size, config.conv_taps});
  const std::vector<float> values = to_floats(stored);  // [out, in, tap]
  std::vector<float> turned(values.size());             // [out, tap, in]
  for (std::size_t out = 0; stored.has_data() && out < hidden; ++out) {
    for (std::size_t in = 0; in < hidden; ++in) {
      for (std::size_t tap = 0; tap < taps; ++tap) {
        turned[(out * taps + tap) * hidden + in] = values[(out * hidden + in) * taps + tap];
      }
    }
  }
  HostTensor matrix;
  matrix.shape = {config.hidden_size, config.conv_taps * config.hidden_size};
  matrix.data = stored.has_data() ? reinterpret_cast<const std::byte*>(turned.data()) : nullptr;
  const LinearPart part{.weight = matrix, .bias = weights.take("encoder.conv.conv.bias", {config.hidden_size})};
  return Convolution{.weight = backend.linear_weight({&part, 1}),
                     .norm = take_layer_norm(weights, backend, "encoder.conv.LayerNorm", config.hidden_size)};
}

/// Row t is that of token t + offset of the same text; zeros beyond its ends.
Tensor neighbours(Ops& ops, const Tensor& x, const PackedBatch& batch, int offset) {
  std::vector<std::int32_t> from;
  std::vector<std::int32_t> to;
  for (int row = 0; row < batch.num_rows(); ++row) {
    const std::int32_t begin = batch.offsets[static_cast<std::size_t>(row)];
    const std::int32_t end = batch.offsets[static_cast<std::size_t>(row) + 1];
    for (std::int32_t token = std::max(begin, begin - offset); token < std::min(end, end - offset); ++token) {
      to.push_back(token);
      from.push_back(token + offset);
    }
  }
  return ops.add_rows(ops.scale(x, 0.0F), ops.take_rows(x, from), to, std::vector<float>(to.size(), 1.0F));
}

// Microsoft's own head, or the one that transformers had before it ("legacy"). Files that do not say which have the one
// whose weights they have: transformers would fill the other with random numbers.
PredictionHead take_words_head(WeightMap& weights, Backend& backend, const DebertaConfig& config) {
  const bool is_legacy =
      config.legacy_head.value_or(weights.has("cls.predictions.bias") || !weights.has("lm_predictions.lm_head.bias"));
  const MaskedLmNames legacy = {.dense = "cls.predictions.transform.dense",
                                .norm = "cls.predictions.transform.LayerNorm",
                                .decoder = "cls.predictions.decoder",
                                .bias = "cls.predictions.bias"};
  const MaskedLmNames own = {.dense = "lm_predictions.lm_head.dense",
                             .norm = "lm_predictions.lm_head.LayerNorm",
                             .decoder = "lm_predictions.lm_head.decoder",  // which there never is: it is tied
                             .bias = "lm_predictions.lm_head.bias"};
  return take_masked_lm_head(weights, backend, is_legacy ? legacy : own, config.hidden_act, config.layer_norm_eps,
                             config.hidden_size, config.vocab_size);
}

PredictionHead take_head(WeightMap& weights, Backend& backend, const DebertaConfig& config, const HeadSpec& spec) {
  for (const char* prefix : {"pooler.", "classifier.", "cls.", "lm_predictions.", "mask_predictions.", "qa_outputs."}) {
    weights.allow_unused(prefix);
  }
  switch (spec.kind) {
    case HeadKind::kNone: return {};
    case HeadKind::kSequence:
      return take_first_token_head(weights, backend, "pooler.dense", config.pooler_hidden_act, "classifier",
                                   config.hidden_size, spec.num_labels);
    case HeadKind::kToken: return take_token_head(weights, backend, "classifier", config.hidden_size, spec.num_labels);
    case HeadKind::kMaskedLm: return take_words_head(weights, backend, config);
    default: break;  // a decoder's
  }
  refuse_head("deberta-v2", spec.kind);
}

class DebertaV2 final : public HeadedModel {
 public:
  DebertaV2(const DebertaConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_head(weights, backend, config, head)),
        config_(config),
        traits_(config.traits()),
        attention_(encoder_attention(config.hidden_size, config.num_attention_heads)),
        embeddings_(take_embeddings(weights, backend, config,
                                    config.position_biased_input ? Positions::kTable : Positions::kNone)) {
    attention_.scale = config.score_scale();
    if (!config.position_biased_input) {
      weights.allow_unused("embeddings.position_embeddings.");
    }
    if (config.relative_attention) {
      number_distances();
    }
    const PositionProjector projector(config, buckets_, weights, backend);
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, config, index, projector));
    }
    convolution_ = take_convolution(weights, backend, config);
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor embedded = embeddings_.look_up(ops, batch, positions_in_rows(batch));
    return through_layers(
        ops, layers_, embedded, wanted, [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
          if (&layer == &layers_.front() && convolution_) {
            return chosen_rows(ops, add_convolution(ops, forward_layer(ops, layer, x, batch, {}), embedded, batch),
                               kept);
          }
          return forward_layer(ops, layer, x, batch, kept);
        });
  }

 private:
  /// Buckets in the order of the distances, without those that none has: attention wants no gaps.
  void number_distances() {
    relative_.max_distance = config_.max_position_embeddings - 1;
    for (int distance = -relative_.max_distance; distance <= relative_.max_distance; ++distance) {
      const std::int32_t bucket = config_.bucket_of(distance);
      if (buckets_.empty() || bucket != buckets_.back()) {
        buckets_.push_back(bucket);
      }
      relative_.bucket_of_distance.push_back(static_cast<std::int32_t>(buckets_.size()) - 1);
    }
  }

  Tensor forward_layer(Ops& ops, const Layer& layer, const Tensor& x, const PackedBatch& batch,
                       const TokenChoice& kept) const {
    const int hidden = config_.hidden_size;
    const float eps = config_.layer_norm_eps;
    const Tensor qkv = ops.linear(x, layer.parts.qkv);
    const Tensor q = ops.columns(qkv, 0, hidden);
    const Tensor k = ops.columns(qkv, hidden, hidden);
    AttentionSpec attention = attention_;
    RelativePositions relative = relative_;
    if (config_.relative_attention) {
      relative.keys = layer.position_keys ? &*layer.position_keys : nullptr;
      relative.queries = layer.position_queries ? &*layer.position_queries : nullptr;
      attention.relative = &relative;
    }
    const Tensor context = ops.attention(q, k, ops.columns(qkv, 2 * hidden, hidden), batch, attention, kept);
    const Tensor attended =
        ops.layer_norm(ops.linear(context, layer.parts.attention_output, Activation::kNone, chosen_rows(ops, x, kept)),
                       layer.parts.attention_norm, eps);
    const Tensor inner = ops.linear_for(layer.parts.output, attended, layer.parts.intermediate, config_.hidden_act);
    return ops.layer_norm(ops.linear(inner, layer.parts.output, Activation::kNone, attended), layer.parts.output_norm,
                          eps);
  }

  Tensor add_convolution(Ops& ops, const Tensor& x, const Tensor& embedded, const PackedBatch& batch) const {
    std::vector<Tensor> taps;
    for (int offset = -(config_.conv_taps / 2); offset <= config_.conv_taps / 2; ++offset) {
      taps.push_back(offset == 0 ? embedded : neighbours(ops, embedded, batch, offset));
    }
    return ops.layer_norm(ops.linear(ops.concat_columns(taps), convolution_->weight, config_.conv_act, x),
                          convolution_->norm, config_.layer_norm_eps);
  }

  DebertaConfig config_;
  ModelTraits traits_;
  AttentionSpec attention_;
  RelativePositions relative_;         // without the tables of a layer
  std::vector<std::int32_t> buckets_;  // of the checkpoint's table, in the order of a layer's
  EncoderEmbeddings embeddings_;
  std::vector<Layer> layers_;
  std::optional<Convolution> convolution_;
};

}  // namespace

std::unique_ptr<Model> make_deberta_v2(const JsonFields& config, WeightMap& weights, Backend& backend,
                                       const HeadSpec& head) {
  return std::make_unique<DebertaV2>(DebertaConfig::parse(config), weights, backend, head);
}

std::optional<std::string> deberta_v2_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "deberta.");
}

}  // namespace mlxe
