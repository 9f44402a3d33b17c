// LFM2: layers of short convolutions and of attention. Its ColBERT looks back only, Lfm2BidirectionalModel both ways.
// Source: transformers/models/lfm2/modeling_lfm2.py; the bidirectional one is remote code of its checkpoints
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/decoder_config.h"
#include "models/shared/decoder_weights.h"
#include "models/shared/rope_config.h"
#include "models/shared/rotary_table.h"

namespace mlxe {
namespace {

struct Lfm2Config {
  DecoderConfig sizes;
  RopeFrequencies rope;
  bool has_centred_conv = false;
  Bias conv_bias = Bias::kNone;
  int conv_taps = 0;
  std::vector<bool> is_conv;  // [layers]

  static Lfm2Config parse(const JsonFields& fields);
};

// The gated MLP's width as Lfm2MLP derives it from what the file says.
int adjusted_width(const JsonFields& fields, int written) {
  if (!fields.boolean("block_auto_adjust_ff_dim", true)) {
    return written;
  }
  int width = 2 * written / 3;
  const bool is_null = fields.json().contains("block_ffn_dim_multiplier") && !fields.has("block_ffn_dim_multiplier");
  if (!is_null) {
    const int multiple = fields.integer("block_multiple_of", 1, 1 << 16, 256);
    width = static_cast<int>(fields.number("block_ffn_dim_multiplier", 1e-3, 1e3, 1.0) * width);
    width = (width + multiple - 1) / multiple * multiple;
  }
  return std::max(width, 1);
}

// Layers that are listed neither way are attention.
std::vector<bool> conv_layers(const JsonFields& fields, int num_layers) {
  if (const auto listed = parse_layer_types(fields, num_layers, "conv", "full_attention")) {
    return *listed;
  }
  const bool has_list = fields.has("full_attn_idxs");
  std::vector<bool> layers(static_cast<std::size_t>(num_layers), has_list);
  if (has_list) {
    const Json& indices = fields.at("full_attn_idxs");
    for (const Json& index : indices) {
      if (!indices.is_array() || !index.is_number_integer() || index < 0 || index >= num_layers) {
        throw Error(ErrorCode::kCorruptModel,
                    fmt::format("{}: 'full_attn_idxs' is {}, wanted numbers of layers below {}", fields.what(),
                                indices.dump(), num_layers));
      }
      layers[index.get<std::size_t>()] = false;
    }
  }
  return layers;
}

bool names_bidirectional_model(const JsonFields& fields) {
  if (!fields.has("architectures")) {
    return false;
  }
  const Json& names = fields.at("architectures");
  return std::ranges::find(names, Json("Lfm2BidirectionalModel")) != names.end();
}

Lfm2Config Lfm2Config::parse(const JsonFields& fields) {
  const bool is_bidirectional = names_bidirectional_model(fields);
  if (!is_bidirectional && fields.boolean("use_bidirectional_attention", false)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'use_bidirectional_attention' is true, wanted Lfm2BidirectionalModel in "
                            "'architectures' (both ways everywhere) or 'is_causal' false (attention alone)",
                            fields.what()));
  }
  Lfm2Config config;
  config.sizes =
      parse_decoder(fields, {.eps_key = "norm_eps",
                             .eps = 1e-5,
                             .tie_word_embeddings = true,
                             .intermediate_key = fields.has("block_ff_dim") ? "block_ff_dim" : "intermediate_size",
                             .looks_both_ways = is_bidirectional});
  config.sizes.tie_word_embeddings = fields.boolean("tie_embedding", config.sizes.tie_word_embeddings);
  config.sizes.intermediate_size = adjusted_width(fields, config.sizes.intermediate_size);
  config.rope = read_rope(fields, {.head_dim = config.sizes.head_dim});
  config.has_centred_conv = is_bidirectional;
  config.conv_bias = fields.boolean("conv_bias", false) ? Bias::kYes : Bias::kNone;
  config.conv_taps = fields.integer("conv_L_cache", 1, 1 << 10, 3);
  config.is_conv = conv_layers(fields, config.sizes.num_hidden_layers);
  if (config.has_centred_conv && config.conv_taps % 2 == 0) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: 'conv_L_cache' is {}, a model that looks both ways has its "
                                                     "convolutions in the middle and wants an odd number",
                                                     fields.what(), config.conv_taps));
  }
  return config;
}

struct ShortConv {
  LinearWeight in_proj;  // what gates the input, what gates the output, the input
  ConvWeight conv;
  LinearWeight out_proj;
};

struct Layer {
  NormWeight operator_norm;
  std::optional<ShortConv> conv;
  std::optional<DecoderAttention> attention;
  NormWeight ffn_norm;
  GatedMlp mlp;
};

// Tokens that no other one may see, of ColBERT's query expansion.
std::vector<std::int32_t> hidden_tokens(const PackedBatch& batch) {
  std::vector<std::int32_t> tokens;
  for (std::size_t row = 0; row < batch.key_lengths.size(); ++row) {
    for (std::int32_t token = batch.offsets[row] + batch.key_lengths[row]; token < batch.offsets[row + 1]; ++token) {
      tokens.push_back(token);
    }
  }
  return tokens;
}

class Lfm2 final : public DecoderModel {
 public:
  Lfm2(const Lfm2Config& config, WeightMap& weights, Backend& backend, const HeadSpec& spec)
      : DecoderModel(config.sizes, weights, backend, spec), config_(config) {
    for (int index = 0; index < config_.sizes.num_hidden_layers; ++index) {
      layers_.push_back(take_layer(weights, backend, index));
    }
    embedding_norm_ = take_rms_norm(weights, backend, "embedding_norm", config_.sizes.hidden_size);
  }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const float eps = config_.sizes.norm_eps;
    const Tensor rotary = rotary_table(ops, batch, config_.rope);
    const std::vector<std::int32_t> hidden = hidden_tokens(batch);
    const Tensor last = through_layers(
        ops, layers_, look_up(ops, batch), wanted, [&](const Layer& layer, const Tensor& x, const TokenChoice& kept) {
          const Tensor normed = ops.rms_norm(x, layer.operator_norm, eps);
          const Tensor mixed =
              layer.conv ? chosen_rows(ops, convolve(ops, normed, batch, hidden, *layer.conv, x), kept)
                         : attend(ops, normed, batch, *layer.attention, rotary, eps, kept, chosen_rows(ops, x, kept));
          return gated_mlp(ops, ops.rms_norm(mixed, layer.ffn_norm, eps), layer.mlp, mixed);
        });
    return ops.rms_norm(last, embedding_norm_, eps);
  }

 private:
  Layer take_layer(WeightMap& weights, Backend& backend, int index) const {
    const std::string name = fmt::format("layers.{}.", index);
    const int hidden = config_.sizes.hidden_size;
    const int inner = config_.sizes.intermediate_size;
    const auto part = [&](const char* which) {
      return take_part(weights, name + "feed_forward." + which, inner, hidden, Bias::kNone);
    };
    Layer layer = {
        .operator_norm = take_rms_norm(weights, backend, name + "operator_norm", hidden),
        .conv = std::nullopt,
        .attention = std::nullopt,
        .ffn_norm = take_rms_norm(weights, backend, name + "ffn_norm", hidden),
        .mlp = {.gate_up = backend.linear_weight(std::array{part("w1"), part("w3")}),
                .down = take_linear(weights, backend, name + "feed_forward.w2", hidden, inner, Bias::kNone),
                .gate = {.activation = Activation::kSilu}},
    };
    if (config_.is_conv[static_cast<std::size_t>(index)]) {
      layer.conv = take_conv(weights, backend, name + "conv.");
    } else {
      layer.attention = take_attention(weights, backend, name + "self_attn", config_.sizes, {.has_qk_norm = true},
                                       {.output = "out_proj", .q_norm = "q_layernorm", .k_norm = "k_layernorm"});
      layer.attention->spec.right_window = config_.sizes.looks_both_ways ? AttentionSpec::kUnlimited : 0;
    }
    return layer;
  }

  ShortConv take_conv(WeightMap& weights, Backend& backend, const std::string& name) const {
    const int hidden = config_.sizes.hidden_size;
    const Bias bias = config_.conv_bias;
    const LinearPart taps = {
        .weight = weights.take(name + "conv.weight", {hidden, 1, config_.conv_taps}),
        .bias = bias == Bias::kYes ? std::optional(weights.take(name + "conv.bias", {hidden})) : std::nullopt};
    return {.in_proj = take_linear(weights, backend, name + "in_proj", 3 * hidden, hidden, bias),
            .conv = backend.conv_weight(taps.weight, taps.bias),
            .out_proj = take_linear(weights, backend, name + "out_proj", hidden, hidden, bias)};
  }

  Tensor convolve(Ops& ops, const Tensor& normed, const PackedBatch& batch, const std::vector<std::int32_t>& hidden,
                  const ShortConv& layer, const Tensor& residual) const {
    const int width = config_.sizes.hidden_size;
    const ConvPadding padding = config_.has_centred_conv ? ConvPadding::kSymmetric : ConvPadding::kCausal;
    const Tensor projected = ops.linear(without(ops, normed, hidden), layer.in_proj);  // [tokens, 3 * hidden]
    const Tensor input = ops.multiply(ops.columns(projected, 0, width), ops.columns(projected, 2 * width, width));
    const Tensor mixed = ops.short_conv(input, layer.conv, all_seen(batch), padding);
    return ops.linear(ops.multiply(ops.columns(projected, width, width), mixed), layer.out_proj, Activation::kNone,
                      residual);
  }

  // As transformers does (apply_mask_to_padding_states): hidden tokens are zeroed before the projection and not after
  // it, so that its bias, where there is one, is convolved with the others.
  static Tensor without(Ops& ops, const Tensor& x, const std::vector<std::int32_t>& tokens) {
    return tokens.empty() ? x
                          : ops.add_rows(x, ops.take_rows(x, tokens), tokens, std::vector<float>(tokens.size(), -1.0F));
  }
  static PackedBatch all_seen(PackedBatch batch) {
    batch.key_lengths.clear();
    return batch;
  }

  Lfm2Config config_;
  std::vector<Layer> layers_;
  NormWeight embedding_norm_;
};

}  // namespace

std::unique_ptr<Model> make_lfm2(const JsonFields& config, WeightMap& weights, Backend& backend, const HeadSpec& head) {
  return std::make_unique<Lfm2>(Lfm2Config::parse(config), weights, backend, head);
}

std::optional<std::string> lfm2_weight_name(std::string_view checkpoint_name) {
  return decoder_weight_name(checkpoint_name);
}

}  // namespace mlxe
