// Reads adapter_config.json.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/lora.h"

namespace mlxe {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr int kMaxRank = 1 << 16;
constexpr std::size_t kMaxNameBytes = 120;  // of a name in a message

// Patterns of peft are regular expressions that must match the end of a module's name. Published ones are plain names;
// an expression would need an engine for something that a stranger wrote.
void check_pattern(const JsonFields& fields, const std::string& pattern) {
  const bool plain = std::ranges::all_of(pattern, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  });
  if (!plain || pattern.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the pattern '{}' is a regular expression, only names are supported", fields.what(),
                            printable(pattern, kMaxNameBytes)));
  }
}

// peft takes the first pattern of the file, an order that a parsed JSON object does not keep; published adapters have
// one pattern for a module, or several that agree.
template <typename Value>
Value value_of(const std::map<std::string, Value>& patterns, std::string_view module, Value otherwise) {
  const std::pair<const std::string, Value>* found = nullptr;
  for (const auto& entry : patterns) {
    const auto& [pattern, value] = entry;
    if (!module.ends_with(pattern) ||
        (module.size() != pattern.size() && module[module.size() - pattern.size() - 1] != '.')) {
      continue;
    }
    if (found != nullptr && found->second != value) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{}: {}: the patterns '{}' and '{}' give it {} and {}, wanted one for each module", kConfigFile,
                      printable(module, kMaxNameBytes), found->first, pattern, found->second, value));
    }
    found = &entry;
  }
  return found == nullptr ? otherwise : found->second;
}

/// A setting that makes an adapter something else than weight + scale * B A, and how it looks when it is off.
bool is_off(const JsonFields& fields, const char* key) {
  if (!fields.has(key)) {
    return true;
  }
  const Json& value = fields.at(key);
  return value == Json(false) || ((value.is_object() || value.is_array()) && value.empty());
}

// These start from a changed base model, so that the base on the disk is not the one to add to.
void check_initialisation(const JsonFields& fields) {
  if (fields.has("init_lora_weights") && fields.at("init_lora_weights").is_string()) {
    const std::string kind = fields.text("init_lora_weights");
    constexpr std::array<std::string_view, 3> kUnchanged = {"gaussian", "eva", "orthogonal"};
    if (std::ranges::find(kUnchanged, kind) == kUnchanged.end()) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{}: 'init_lora_weights' is '{}', which changes the base model too; convert the adapter to a "
                      "plain LoRA (path_initial_model_for_weight_conversion of peft)",
                      fields.what(), kind));
    }
  }
}

}  // namespace

int LoraConfig::rank_of(std::string_view module) const {
  return value_of(ranks, module, rank);
}

float LoraConfig::scale_of(std::string_view module) const {
  const auto r = static_cast<double>(rank_of(module));
  return static_cast<float>(value_of(alphas, module, alpha) / (by_square_root ? std::sqrt(r) : r));
}

bool has_adapter(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(folder / kConfigFile, ignored);
}

LoraConfig read_lora_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kConfigFile;
  const JsonFields fields(load_json(path), path.string());
  if (const std::string type = fields.text("peft_type"); type != "LORA") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'peft_type' is '{}', only 'LORA' is supported", fields.what(), printable(type, 40)));
  }
  for (const char* key :
       {"use_dora", "use_qalora", "use_bdlora", "use_monteclora", "alora_invocation_tokens", "layer_replication",
        "trainable_token_indices", "target_parameters", "arrow_config", "velora_config", "kasa_config"}) {
    if (!is_off(fields, key)) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("{}: '{}' is set, only plain LoRA is supported; merge the adapter into its base with peft",
                      fields.what(), key));
    }
  }
  check_initialisation(fields);
  LoraConfig config = {.base_model = fields.text("base_model_name_or_path", ""),
                       .rank = fields.integer("r", 1, kMaxRank),
                       .alpha = fields.number("lora_alpha", -1e9, 1e9),
                       .by_square_root = fields.boolean("use_rslora", false)};
  if (fields.has("rank_pattern")) {
    const JsonFields patterns(fields.at("rank_pattern"), fields.what() + ": 'rank_pattern'");
    for (const auto& [pattern, value] : patterns.json().items()) {
      check_pattern(patterns, pattern);
      config.ranks[pattern] = patterns.integer(pattern, 1, kMaxRank);
    }
  }
  if (fields.has("alpha_pattern")) {
    const JsonFields patterns(fields.at("alpha_pattern"), fields.what() + ": 'alpha_pattern'");
    for (const auto& [pattern, value] : patterns.json().items()) {
      check_pattern(patterns, pattern);
      config.alphas[pattern] = patterns.number(pattern, -1e9, 1e9);
    }
  }
  return config;
}

}  // namespace mlxe
