// Reading DeBERTa's configuration.
#include "models/shared/deberta_config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "models/shared/encoder.h"
#include "nn/activation.h"

namespace mlxe {
namespace {

void require_equal(const JsonFields& fields, const char* key, int wanted) {
  if (const int found = fields.integer(key, 0, 1 << 24, wanted); found != wanted) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: '{}' is {}, only {} is supported", fields.what(), key, found, wanted));
  }
}

/// A list of strings, or one string that separates them by '|'.
std::set<std::string> names_in(const JsonFields& fields, const char* key, const std::set<std::string>& known) {
  std::set<std::string> names;
  if (!fields.has(key)) {
    return names;
  }
  const Json& value = fields.at(key);
  std::vector<std::string> parts;
  if (value.is_array() && std::ranges::all_of(value, [](const Json& part) { return part.is_string(); })) {
    parts = value.get<std::vector<std::string>>();
  } else {
    std::string text = fields.text(key);
    for (std::size_t end = 0; (end = text.find('|')) != std::string::npos; text.erase(0, end + 1)) {
      parts.push_back(text.substr(0, end));
    }
    parts.push_back(text);
  }
  for (const std::string& as_written : parts) {
    std::string part = ascii_lower(as_written);
    std::erase(part, ' ');
    if (!known.contains(part)) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: '{}' has '{}', only {} are supported", fields.what(), key,
                                                       part, fmt::join(known, ", ")));
    }
    names.insert(part);
  }
  return names;
}

void parse_distances(const JsonFields& fields, DebertaConfig& config) {
  config.position_buckets = std::max(fields.integer("position_buckets", -1, 1 << 16, -1), 0);
  config.max_relative_positions = fields.integer("max_relative_positions", -1, 1 << 16, -1);
  if (config.max_relative_positions < 1) {
    config.max_relative_positions = config.max_position_embeddings;
  }
  // Otherwise the logarithms that spread the far buckets are not positive.
  const int middle = config.position_buckets / 2;
  if (config.position_buckets > 0 && (middle < 1 || config.max_relative_positions - 1 <= middle)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: 'position_buckets' is {}, wanted from 2 to less than twice the largest distance, "
                            "which is {}",
                            fields.what(), config.position_buckets, config.max_relative_positions - 1));
  }
}

void parse_convolution(const JsonFields& fields, DebertaConfig& config) {
  config.conv_act = activation_from_hf(fields.text("conv_act", "tanh"));
  require_equal(fields, "conv_groups", 1);
  if (config.conv_taps % 2 == 0) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: 'conv_kernel_size' is {}, only odd ones are supported",
                                                     fields.what(), config.conv_taps));
  }
}

}  // namespace

DebertaConfig DebertaConfig::parse(const JsonFields& fields) {
  DebertaConfig config;
  static_cast<EncoderConfig&>(config) = read_encoder_config(fields, {.vocab_size = 128100,
                                                                     .hidden_size = 1536,
                                                                     .num_hidden_layers = 24,
                                                                     .num_attention_heads = 24,
                                                                     .intermediate_size = 6144,
                                                                     .most_positions = 1 << 16,
                                                                     .type_vocab_size = 0,
                                                                     .least_types = 0,
                                                                     .layer_norm_eps = 1e-7});
  config.pooler_hidden_act = activation_from_hf(fields.text("pooler_hidden_act", "gelu"));
  config.position_biased_input = fields.boolean("position_biased_input", true);
  config.relative_attention = fields.boolean("relative_attention", false);
  config.share_att_key = fields.boolean("share_att_key", false);
  config.norm_rel_ebd = names_in(fields, "norm_rel_ebd", {"none", "layer_norm"}).contains("layer_norm");
  require_equal(fields, "embedding_size", config.hidden_size);
  require_equal(fields, "pooler_hidden_size", config.hidden_size);
  require_equal(fields, "attention_head_size", config.hidden_size / config.num_attention_heads);
  const std::set<std::string> kinds = names_in(fields, "pos_att_type", {"c2p", "p2c"});
  config.content_to_position = kinds.contains("c2p");
  config.position_to_content = kinds.contains("p2c");
  if (config.relative_attention) {
    parse_distances(fields, config);
  }
  if (fields.has("legacy")) {
    config.legacy_head = fields.boolean("legacy", true);
  }
  config.conv_taps = fields.integer("conv_kernel_size", 0, 255, 0);
  if (config.conv_taps > 0) {
    parse_convolution(fields, config);
  }
  return config;
}

float DebertaConfig::score_scale() const {
  const int kinds = 1 + static_cast<int>(content_to_position) + static_cast<int>(position_to_content);
  return 1.0F / std::sqrt(static_cast<float>(hidden_size / num_attention_heads * kinds));
}

int DebertaConfig::bucket_of(int distance) const {
  int place = distance;
  const int middle = position_buckets / 2;
  if (position_buckets > 0 && std::abs(distance) > middle) {
    const auto relative = static_cast<float>(std::abs(distance)) / static_cast<float>(middle);
    const auto farthest = static_cast<float>(static_cast<double>(max_relative_positions - 1) / middle);
    const float steps = std::ceil(std::log(relative) / std::log(farthest) * static_cast<float>(middle - 1));
    place = (middle + static_cast<int>(steps)) * (distance < 0 ? -1 : 1);
  }
  return std::clamp(place + span(), 0, 2 * span() - 1);
}

}  // namespace mlxe
