// MPNet: BERT with a learned bias by distance in every layer's attention.
// Source: transformers/models/mpnet/modeling_mpnet.py
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/architecture.h"
#include "models/shared/encoder.h"
#include "models/shared/host_tensor.h"
#include "models/shared/take_weights.h"
#include "nn/positions.h"

namespace mlxe {
namespace {

// Constants of the code, whatever pad_token_id and relative_attention_num_buckets say.
constexpr int kPaddingId = 1;
constexpr int kNumBuckets = 32;
constexpr int kMaxDistance = 128;  // buckets of larger distances are the last ones

constexpr PostNormNames kLayerNames = {.query = "attention.attn.q",
                                       .key = "attention.attn.k",
                                       .value = "attention.attn.v",
                                       .attention_output = "attention.attn.o",
                                       .attention_norm = "attention.LayerNorm"};

struct MpnetConfig : EncoderConfig {
  int relative_attention_num_buckets = 0;

  static MpnetConfig parse(const JsonFields& fields) {
    MpnetConfig config = {read_encoder_config(fields, {.vocab_size = 30527, .least_positions = kPaddingId + 2}),
                          fields.integer("relative_attention_num_buckets", kNumBuckets, 1 << 16, kNumBuckets)};
    config.type_vocab_size = 0;  // it has none, whatever a file says
    return config;
  }
};

/// Half of the buckets for keys behind the query, half for those before it; in each half one for each distance below 8,
/// then wider and wider ones. float32, as torch computes it.
int bucket_of(int key_minus_query) {
  constexpr int kHalf = kNumBuckets / 2;
  constexpr int kExact = kHalf / 2;
  const int offset = key_minus_query > 0 ? kHalf : 0;
  const int distance = std::abs(key_minus_query);
  if (distance < kExact) {
    return offset + distance;
  }
  const float octaves = std::log(static_cast<float>(distance) / static_cast<float>(kExact)) /
                        static_cast<float>(std::log(static_cast<double>(kMaxDistance) / kExact));
  return offset + std::min(kExact + static_cast<int>(octaves * static_cast<float>(kHalf - kExact)), kHalf - 1);
}

DistanceBias take_distance_bias(WeightMap& weights, const MpnetConfig& config) {
  const int heads = config.num_attention_heads;
  const std::vector<float> values =
      to_floats(weights.take("encoder.relative_attention_bias.weight", {config.relative_attention_num_buckets, heads}));
  DistanceBias bias{.max_distance = kMaxDistance, .values = {}};
  if (values.empty()) {
    return bias;  // the loader will say what is wrong
  }
  for (int head = 0; head < heads; ++head) {
    for (int distance = -kMaxDistance; distance <= kMaxDistance; ++distance) {
      bias.values.push_back(values[static_cast<std::size_t>(bucket_of(distance) * heads + head)]);
    }
  }
  return bias;
}

class Mpnet final : public HeadedModel {
 public:
  Mpnet(const MpnetConfig& config, WeightMap& weights, Backend& backend, const HeadSpec& head)
      : HeadedModel(head, take_roberta_head(weights, backend, "mpnet", config, head)),
        traits_(config.traits()),
        spec_(config.layer_spec()),
        distance_bias_(take_distance_bias(weights, config)),
        embeddings_(take_embeddings(weights, backend, config, Positions::kTable)) {
    traits_.max_positions = config.max_position_embeddings - kPaddingId - 1;
    spec_.attention.distance_bias = &distance_bias_;
    for (int index = 0; index < config.num_hidden_layers; ++index) {
      layers_.push_back(take_post_norm_layer(weights, backend, fmt::format("encoder.layer.{}.", index),
                                             config.hidden_size, config.intermediate_size, kLayerNames));
    }
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const Tensor embedded = embeddings_.look_up(ops, batch, positions_without_padding(batch, kPaddingId));
    return post_norm_layers(ops, layers_, spec_, embedded, batch, wanted);
  }

 private:
  ModelTraits traits_;
  PostNormSpec spec_;
  DistanceBias distance_bias_;  // spec_ points to it
  EncoderEmbeddings embeddings_;
  std::vector<PostNormLayer> layers_;
};

}  // namespace

std::unique_ptr<Model> make_mpnet(const JsonFields& config, WeightMap& weights, Backend& backend,
                                  const HeadSpec& head) {
  return std::make_unique<Mpnet>(MpnetConfig::parse(config), weights, backend, head);
}

std::optional<std::string> mpnet_weight_name(std::string_view checkpoint_name) {
  return encoder_weight_name(checkpoint_name, "mpnet.");
}

}  // namespace mlxe
