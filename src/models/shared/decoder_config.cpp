// What the configurations of all decoders say, checked.
#include "models/shared/decoder_config.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

void check_divides(const JsonFields& fields, const char* large_key, int large, const char* small_key, int small) {
  if (large % small != 0) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' is {}, wanted a multiple of '{}', which is {}",
                                                      fields.what(), large_key, large, small_key, small));
  }
}

// A default that was written out, "use_bidirectional_attention": false, says nothing against "is_causal": false.
bool looks_both_ways(const JsonFields& fields, bool by_family) {
  const bool is_bidirectional = by_family || fields.boolean("use_bidirectional_attention", false);
  if (is_bidirectional && fields.boolean("is_causal", false)) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: 'is_causal' is true, but {}", fields.what(),
                                                      by_family ? "the architecture that it names looks both ways"
                                                                : "'use_bidirectional_attention' is true, too"));
  }
  return is_bidirectional || !fields.boolean("is_causal", true);
}

bool has_own_code(const JsonFields& fields) {
  if (!fields.has("auto_map") || !fields.at("auto_map").is_object()) {
    return false;
  }
  const Json& classes = fields.at("auto_map");
  const auto own = classes.find("AutoModel");
  if (own != classes.end() && own->is_string() && own->get<std::string>().ends_with(".JinaForRanking")) {
    return false;  // the engine does what that code does
  }
  return std::ranges::any_of(classes.items(), [](const auto& entry) { return entry.key().starts_with("AutoModel"); });
}

}  // namespace

AttentionSpec DecoderConfig::attention() const {
  return {.num_heads = num_attention_heads,
          .num_kv_heads = num_key_value_heads,
          .head_dim = head_dim,
          .scale = 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

ModelTraits DecoderConfig::traits() const {
  return {.hidden_size = hidden_size,
          .num_layers = num_hidden_layers,
          .max_positions = max_position_embeddings,
          .vocab_size = vocab_size,
          .warnings = warnings};
}

DecoderConfig parse_decoder(const JsonFields& fields, const DecoderDefaults& defaults) {
  // The upper limits are far above any real model and low enough that no product of two sizes overflows.
  DecoderConfig config = {
      .vocab_size = fields.integer("vocab_size", 1, 1 << 24),
      .hidden_size = fields.integer("hidden_size", 1, 1 << 15),
      .intermediate_size = fields.integer(defaults.intermediate_key, 1, 1 << 18),
      .num_hidden_layers = fields.integer("num_hidden_layers", 1, 1024),
      .num_attention_heads = fields.integer("num_attention_heads", 1, 1 << 12),
      .max_position_embeddings = fields.integer("max_position_embeddings", 1, 1 << 24),
      .norm_eps = static_cast<float>(fields.number(defaults.eps_key, 0.0, 1.0, defaults.eps)),
      .tie_word_embeddings = fields.boolean("tie_word_embeddings", defaults.tie_word_embeddings),
  };
  config.num_key_value_heads = fields.integer("num_key_value_heads", 1, 1 << 12, config.num_attention_heads);
  check_divides(fields, "num_attention_heads", config.num_attention_heads, "num_key_value_heads",
                config.num_key_value_heads);
  if (fields.has("head_dim") || defaults.head_dim) {
    config.head_dim = fields.integer("head_dim", 1, 1 << 12, defaults.head_dim.value_or(1));
  } else {
    check_divides(fields, "hidden_size", config.hidden_size, "num_attention_heads", config.num_attention_heads);
    config.head_dim = config.hidden_size / config.num_attention_heads;
  }
  if (fields.has("pad_token_id")) {
    config.pad_token_id = fields.integer("pad_token_id", -1, 1 << 24);
  }
  config.looks_both_ways = looks_both_ways(fields, defaults.looks_both_ways);
  // Code of a checkpoint's own is most often there to look both ways.
  if (!config.looks_both_ways && !fields.has("is_causal") && has_own_code(fields)) {
    config.warnings.push_back(
        fmt::format("'auto_map' of config.json names code of the checkpoint's own, which is not run: this is {} as "
                    "transformers has it, and each token sees only those before it",
                    fields.text("model_type")));
  }
  return config;
}

std::optional<std::vector<bool>> parse_layer_types(const JsonFields& fields, int num_layers, std::string_view first,
                                                   std::string_view second) {
  if (!fields.has("layer_types")) {
    return std::nullopt;
  }
  const Json& types = fields.at("layer_types");
  if (!types.is_array() || types.size() != static_cast<std::size_t>(num_layers)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: 'layer_types' is {}, wanted a list of {} ('num_hidden_layers')", fields.what(),
                            types.is_array() ? fmt::format("a list of {}", types.size()) : types.dump(), num_layers));
  }
  std::vector<bool> is_first;
  for (const Json& type : types) {
    if (type != first && type != second) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: 'layer_types' has {}, only '{}' and '{}' are supported",
                                                       fields.what(), type.dump(), first, second));
    }
    is_first.push_back(type == first);
  }
  return is_first;
}

void refuse_setting(const JsonFields& fields, std::string_view key) {
  if (fields.has(key)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: '{}' is {}, only null is supported", fields.what(), key, fields.at(key).dump()));
  }
}

}  // namespace mlxe
