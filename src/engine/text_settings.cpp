// Reads sentence_bert_config.json, tokenizer_config.json and config_sentence_transformers.json.
#include "engine/text_settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/files.h"
#include "base/json.h"
#include "base/nearest.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// The Transformer module was saved under other names before sentence-transformers 2.0.
constexpr std::array kTransformerConfigs = {"sentence_bert_config.json",       "sentence_roberta_config.json",
                                            "sentence_distilbert_config.json", "sentence_camembert_config.json",
                                            "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
                                            "sentence_xlnet_config.json"};

constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr std::size_t kMaxTemplateBytes = 1U << 20U;

// "No limit" is written as 1e30 or 10^18 and the like, so the value is read as a number of any size.
void lower_limit(TextSettings& settings, const JsonFields& fields, const char* key, const std::string& source) {
  if (!fields.has(key)) {
    return;
  }
  const double limit = fields.number(key, 1, std::numeric_limits<double>::max());
  if (limit < settings.max_length) {
    settings.max_length = static_cast<int>(limit);
    settings.max_length_source = source;
  }
}

// A token is written as its text, or as an object with its text and how to match it; empty if it is absent.
std::string token_text(const JsonFields& fields, const char* key) {
  if (fields.has(key) && fields.at(key).is_object()) {
    return JsonFields(fields.at(key), fields.what() + ": '" + key + "'").text("content");
  }
  return fields.text(key, "");
}

void add_weightless(TextSettings& settings, const JsonFields& fields) {
  for (const char* key : {"cls_token", "eos_token", "pad_token", "unk_token"}) {
    if (std::string token = token_text(fields, key); !token.empty()) {
      settings.weightless_tokens.push_back(std::move(token));
    }
  }
}

// transformers gives the model what `model_input_names` lists, and token types by default.
bool names_token_types(const JsonFields& fields) {
  if (!fields.has("model_input_names") || !fields.at("model_input_names").is_array()) {
    return true;
  }
  const Json& names = fields.at("model_input_names");
  return std::find(names.begin(), names.end(), "token_type_ids") != names.end();
}

// One template, or a list of named ones, of which "default" is taken.
std::optional<std::string> named_template(const JsonFields& fields) {
  if (!fields.has("chat_template") || fields.at("chat_template").is_string()) {
    return fields.has("chat_template") ? std::optional(fields.text("chat_template")) : std::nullopt;
  }
  for (const Json& entry : fields.at("chat_template")) {
    const JsonFields named(entry, fields.what() + ": 'chat_template'");
    if (named.text("name", "") == "default") {
      return named.text("template");
    }
  }
  return std::nullopt;
}

void read_prompts(TextSettings& settings, const JsonFields& fields) {
  if (fields.has("prompts")) {
    const JsonFields prompts(fields.at("prompts"), fields.what() + ": 'prompts'");
    for (const auto& [name, value] : prompts.json().items()) {
      settings.prompts[name] = prompts.text(name, "");
    }
    settings.prompt_source = settings.prompts.empty() ? "" : "config_sentence_transformers.json";
  }
  if (fields.has("default_prompt_name")) {
    const std::string name = fields.text("default_prompt_name");
    if (!settings.prompts.contains(name)) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: 'default_prompt_name' is '{}', which is none of the prompts", fields.what(), name));
    }
    settings.default_prompt_name = name;
  }
}

}  // namespace

TextSettings read_text_settings(const std::filesystem::path& folder, const std::filesystem::path& transformer_folder,
                                const std::optional<std::filesystem::path>& base) {
  TextSettings settings;
  const auto load = [&](const char* name) {
    std::optional<JsonFields> fields = load_fields_if_present(transformer_folder / name);
    return fields || !base ? std::move(fields) : load_fields_if_present(*base / name);
  };
  if (const auto fields = load("tokenizer_config.json")) {
    lower_limit(settings, *fields, "model_max_length", "tokenizer_config.json");
    settings.mask_token = token_text(*fields, "mask_token");
    settings.eos_token = token_text(*fields, "eos_token");
    add_weightless(settings, *fields);
    settings.token_types = names_token_types(*fields);
    settings.chat_template = named_template(*fields);
  }
  // The file wins, as in transformers.
  for (const auto& place : {std::optional(transformer_folder), base}) {
    if (place && std::filesystem::exists(*place / kTemplateFile)) {
      settings.chat_template = read_file(*place / kTemplateFile, kMaxTemplateBytes);
      break;
    }
  }
  if (const auto fields = load("special_tokens_map.json")) {
    settings.mask_token = settings.mask_token.empty() ? token_text(*fields, "mask_token") : settings.mask_token;
    add_weightless(settings, *fields);
    settings.eos_token = settings.eos_token.empty() ? token_text(*fields, "eos_token") : settings.eos_token;
  }
  for (const char* name : kTransformerConfigs) {
    if (const auto fields = load(name)) {
      if (fields->has("transformer_task")) {
        settings.transformer_task = fields->text("transformer_task");
      }
      lower_limit(settings, *fields, "max_seq_length", name);
      settings.lower_case = fields->boolean("do_lower_case", false);
      break;
    }
  }
  if (const auto fields = load_fields_if_present(folder / "config_sentence_transformers.json")) {
    read_prompts(settings, *fields);
    if (fields->has("activation_fn")) {
      settings.activation_fn = fields->text("activation_fn");
    }
    if (fields->has("truncate_dim")) {
      settings.truncate_dim = fields->integer("truncate_dim", 1, std::numeric_limits<int>::max());
    }
  }
  return settings;
}

namespace {

// Checkpoints have three words for what is not a query.
constexpr std::array<std::string_view, 3> kDocumentNames = {"document", "passage", "corpus"};

std::optional<std::string> find_prompt(const TextSettings& settings, const std::string& name) {
  if (const auto prompt = settings.prompts.find(name); prompt != settings.prompts.end()) {
    return prompt->second;
  }
  if (std::ranges::find(kDocumentNames, name) != kDocumentNames.end()) {
    for (const std::string_view other : kDocumentNames) {
      if (const auto prompt = settings.prompts.find(std::string(other)); prompt != settings.prompts.end()) {
        return prompt->second;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::string choose_prompt(const TextSettings& settings, const EmbedOptions& options) {
  if (options.prompt) {
    return *options.prompt;
  }
  if (!options.prompt_name && options.role != Role::kNone) {
    return find_prompt(settings, options.role == Role::kQuery ? "query" : "document").value_or("");
  }
  const std::optional<std::string>& name = options.prompt_name ? options.prompt_name : settings.default_prompt_name;
  if (!name) {
    return "";
  }
  if (const auto prompt = find_prompt(settings, *name)) {
    return *prompt;
  }
  std::vector<std::string> known;
  for (const auto& [known_name, text] : settings.prompts) {
    known.push_back(known_name);
  }
  if (known.empty()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("unknown prompt name '{}': the model has no prompts", *name));
  }
  const std::optional<std::string> nearest = nearest_name(*name, known);
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("unknown prompt name '{}'{}, wanted one of: {}", *name,
                          nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "", fmt::join(known, ", ")));
}

}  // namespace mlxe
