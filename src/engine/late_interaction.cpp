// Reads PyLate's, sentence-transformers' and Stanford's files into one LateInteractionSpec, and settles it.
#include "engine/late_interaction.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr int kMaxTokens = 1 << 20;
constexpr int kQueryLength = 32;  // where a checkpoint says nothing
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
constexpr const char* kSettings = "config_sentence_transformers.json";

std::vector<std::string> punctuation() {
  std::vector<std::string> words;
  for (const char c : kPunctuation) {
    words.emplace_back(1, c);
  }
  return words;
}

std::vector<std::string> words_of(const JsonFields& fields, const char* key) {
  std::vector<std::string> words;
  const Json& value = fields.at(key);
  if (value.is_string()) {
    return {value.get<std::string>()};
  }
  for (const Json& word : value) {
    if (!value.is_array() || !word.is_string()) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: '{}' holds {}, wanted a list of strings", fields.what(), key, word.type_name()));
    }
    words.push_back(word.get<std::string>());
  }
  return words;
}

std::optional<TokenLimit> length_of(const JsonFields& fields, const char* key) {
  if (!fields.has(key)) {
    return std::nullopt;
  }
  return TokenLimit{.tokens = fields.integer(key, 1, kMaxTokens),
                    .source = std::filesystem::path(fields.what()).filename().string()};
}

/// {"strategy": "fixed" | "min", "attend", "token", "length"}, or null.
std::optional<QueryExpansion> read_expansion(const JsonFields& fields) {
  if (!fields.has("query_expansion")) {
    return std::nullopt;
  }
  const JsonFields inner(fields.at("query_expansion"), fields.what() + ": 'query_expansion'");
  const std::string strategy = inner.text("strategy");
  if (strategy != "fixed" && strategy != "min") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'strategy' is '{}', wanted 'fixed' or 'min'", inner.what(), strategy));
  }
  return QueryExpansion{.length = inner.integer("length", 1, kMaxTokens),
                        .attend = inner.boolean("attend", false),
                        .fixed = strategy == "fixed",
                        .token = inner.text("token", "")};
}

/// A module's type without the path of its class, and whether PyLate wrote it.
struct Module {
  std::string path;
  std::string kind;
  bool of_pylate = false;
};

std::vector<Module> list_modules(const Json& json) {
  std::vector<Module> modules;
  for (std::size_t index = 0; json.is_array() && index < json.size(); ++index) {
    const JsonFields fields(json[index], fmt::format("modules.json entry {}", index));
    const std::string type = fields.text("type");
    modules.push_back({.path = fields.text("path", ""),
                       .kind = type.substr(type.rfind('.') + 1),
                       .of_pylate = type.starts_with("pylate.")});
  }
  return modules;
}

/// Read by every token, whatever a file of an older release leaves unsaid.
bool on_tokens(const std::filesystem::path& folder) {
  const auto fields = load_fields_if_present(folder / "config.json");
  return fields && fields->text("module_input_name", "token_embeddings") == "token_embeddings";
}

void read_mask(const std::filesystem::path& folder, LateInteractionSpec& spec) {
  const auto fields = load_fields_if_present(folder / "config.json");
  spec.skiplist.clear();
  if (!fields) {
    return;
  }
  if (fields->has("skiplist_words")) {
    spec.skiplist = words_of(*fields, "skiplist_words");
  }
  if (fields->has("skiplist_tasks")) {
    const std::vector<std::string> tasks = words_of(*fields, "skiplist_tasks");
    spec.skip_in_queries = std::ranges::find(tasks, "query") != tasks.end();
    spec.skip_in_documents = std::ranges::find(tasks, "document") != tasks.end();
  }
  if (fields->has("keep_only_token_ids")) {
    for (const Json& id : fields->at("keep_only_token_ids")) {
      if (!id.is_number_integer()) {
        throw Error(ErrorCode::kCorruptModel,
                    fmt::format("{}: 'keep_only_token_ids' holds {}, wanted numbers", fields->what(), id.type_name()));
      }
      spec.keep_only_ids.push_back(id.get<std::int64_t>());
    }
  }
}

// Top-level keys of PyLate up to its third release.
void read_pylate_settings(const JsonFields& fields, LateInteractionSpec& spec) {
  for (const auto& [key, role] : {std::pair("query_prefix", "query"), std::pair("document_prefix", "document")}) {
    if (fields.has(key)) {
      spec.prefixes[role] = fields.text(key);
    }
  }
  spec.query_length = length_of(fields, "query_length");
  spec.document_length = length_of(fields, "document_length");
  if (fields.json().contains("query_expansion")) {
    spec.expansion = read_expansion(fields);
  } else if (fields.boolean("do_query_expansion", true)) {
    spec.expansion = {
        .length = spec.query_length.value_or(TokenLimit{.tokens = kQueryLength, .source = ""}).tokens,
        .attend = fields.boolean("attend_to_expansion_tokens", fields.boolean("attend_to_mask_tokens", false))};
    spec.query_length.reset();
  }
  spec.skiplist = fields.has("skiplist_words") ? words_of(fields, "skiplist_words") : punctuation();
}

void read_transformer_settings(const std::filesystem::path& folder, LateInteractionSpec& spec) {
  const auto fields = load_fields_if_present(folder / "sentence_bert_config.json");
  if (!fields) {
    return;
  }
  if (const auto length = length_of(*fields, "query_length")) {
    spec.query_length = length;
  }
  if (const auto length = length_of(*fields, "document_length")) {
    spec.document_length = length;
  }
  if (fields->json().contains("query_expansion")) {
    spec.expansion = read_expansion(*fields);
  }
}

std::optional<LateInteractionSpec> read_modules_layout(const std::filesystem::path& folder) {
  const std::optional<Json> json = load_json_if_present(folder / "modules.json");
  if (!json) {
    return std::nullopt;
  }
  const std::vector<Module> modules = list_modules(*json);
  const auto settings = load_fields_if_present(folder / kSettings);
  const std::string model_type = settings ? settings->text("model_type", "") : "";
  const bool native = model_type == "MultiVectorEncoder";
  const bool pylate = model_type == "ColBERT" || std::ranges::any_of(modules, &Module::of_pylate);
  if (!native && !pylate) {
    return std::nullopt;
  }
  LateInteractionSpec spec;
  spec.source = kSettings;
  spec.normalize = !native;  // PyLate does so without saying; others list a module for it
  if (pylate && settings) {
    read_pylate_settings(*settings, spec);
  }
  for (std::size_t index = 0; index < modules.size(); ++index) {
    const Module& module = modules[index];
    check_module_path(module.path, fmt::format("modules.json entry {}", index));
    const bool tokens = index > 0 && on_tokens(folder / module.path);
    if (index == 0 && module.kind == "Transformer") {
      spec.pipeline.transformer_folder = folder / module.path;
      read_transformer_settings(spec.pipeline.transformer_folder, spec);
    } else if (module.kind == "Dense" && tokens) {
      spec.pipeline.steps.emplace_back(read_dense(folder, module.path, "token_embeddings"));
    } else if (module.kind == "Normalize" && (tokens || !load_json_if_present(folder / module.path / "config.json"))) {
      spec.pipeline.steps.emplace_back(NormalizeSpec{});
    } else if (module.kind == "MultiVectorMask" && index > 0) {
      read_mask(folder / module.path, spec);
    } else {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("modules.json entry {}: module '{}' is not supported there, wanted Transformer, then any Dense, "
                      "MultiVectorMask and Normalize on token_embeddings",
                      index, module.kind));
    }
  }
  if (spec.pipeline.transformer_folder.empty()) {
    throw Error(ErrorCode::kUnsupported, "modules.json lists no modules, wanted Transformer first");
  }
  return spec;
}

std::optional<LateInteractionSpec> read_stanford_layout(const std::filesystem::path& folder) {
  const auto config = load_fields_if_present(folder / "config.json");
  if (!config || !config->has("architectures") ||
      config->at("architectures").dump().find("\"HF_ColBERT\"") == std::string::npos) {
    return std::nullopt;
  }
  LateInteractionSpec spec;
  spec.pipeline.transformer_folder = folder;
  spec.inline_projection = true;
  const auto metadata = load_fields_if_present(folder / "artifact.metadata");
  spec.source = metadata ? "artifact.metadata" : "HF_ColBERT";
  const JsonFields fields = metadata.value_or(JsonFields(Json::object(), "artifact.metadata"));
  spec.prefixes = {{"query", fields.text("query_token_id", "[unused0]") + " "},
                   {"document", fields.text("doc_token_id", "[unused1]") + " "}};
  spec.document_length = length_of(fields, "doc_maxlen");
  spec.expansion = {.length = fields.integer("query_maxlen", 1, kMaxTokens, kQueryLength),
                    .attend = fields.boolean("attend_to_mask_tokens", false)};
  if (fields.boolean("mask_punctuation", true)) {
    spec.skiplist = punctuation();
  }
  return spec;
}

std::vector<std::int32_t> ids_of(const std::vector<std::string>& words, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (const std::string& word : words) {
    if (const std::optional<std::int32_t> id = tokenizer.token_to_id(word)) {
      ids.push_back(*id);
    }
  }
  std::ranges::sort(ids);
  return ids;
}

// The whole prefix, else its first word, may be one token of the vocabulary that its own text would not lead to: then
// it is put in by its id, which is how these models were trained.
void settle_prefix(const std::string& prefix, const Tokenizer& tokenizer, LateInteraction::Side& side) {
  side.prefix = prefix;
  for (const std::string& word : {prefix, prefix.substr(0, prefix.find_first_of(" \t\n"))}) {
    const std::optional<std::int32_t> id = word.empty() ? std::nullopt : tokenizer.token_to_id(word);
    if (!id) {
      continue;
    }
    const std::string_view view = word;
    if (tokenizer.encode(std::span(&view, 1), {.add_special_tokens = false}).front().ids != std::vector{*id}) {
      side.prefix_id = id;
      side.prefix = prefix.substr(word.size());
    }
    return;
  }
}

// What stands before the first token of a text's own.
int count_opening_tokens(const Tokenizer& tokenizer) {
  const std::string_view text = "a";
  const Encoding encoding = tokenizer.encode(std::span(&text, 1), {.with_special_tokens_mask = true}).front();
  const auto own = std::ranges::find(encoding.special_tokens_mask, 0);
  return static_cast<int>(own - encoding.special_tokens_mask.begin());
}

std::vector<std::int32_t> checked_ids(const std::vector<std::int64_t>& ids, const Tokenizer& tokenizer) {
  const auto count = static_cast<std::int64_t>(tokenizer.vocab_size());
  std::vector<std::int32_t> checked;
  for (const std::int64_t id : ids) {
    if (id < 0 || id >= count) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("'keep_only_token_ids' holds {}, wanted 0 to {}", id, count - 1));
    }
    checked.push_back(static_cast<std::int32_t>(id));
  }
  std::ranges::sort(checked);
  return checked;
}

void settle_expansion(const LateInteractionSpec& spec, const TextSettings& settings, int max_positions,
                      const Tokenizer& tokenizer, LateInteraction& late) {
  const QueryExpansion& expansion = *late.expansion;
  if (expansion.length > max_positions) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: queries are filled up to {} tokens, the model has {} positions", spec.source,
                            expansion.length, max_positions));
  }
  if (expansion.fixed || late.query.limit.tokens < expansion.length) {
    late.query.limit = {.tokens = expansion.length, .source = "the length that queries are filled up to"};
  }
  std::vector<std::string> words = {expansion.token};
  if (expansion.token.empty()) {
    words = {settings.mask_token, settings.eos_token};
  }
  std::optional<std::int32_t> id;
  for (const std::string& word : words) {
    id = id || word.empty() ? id : tokenizer.token_to_id(word);
  }
  if (!id) {
    throw Error(
        ErrorCode::kCorruptModel,
        fmt::format("{}: queries are filled up, and the tokenizer has neither a mask token nor one that ends texts",
                    spec.source));
  }
  late.expansion_id = *id;
}

void check_room(const LateInteraction::Side& side, const char* role, const Tokenizer& tokenizer) {
  const int around = tokenizer.num_special_tokens() + (side.prefix_id ? 1 : 0);
  if (side.limit.tokens <= around) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{} allows {} tokens for a {}, wanted more than the {} that are put around it",
                            side.limit.source, side.limit.tokens, role, around));
  }
}

}  // namespace

std::optional<LateInteractionSpec> read_late_interaction(const std::filesystem::path& folder) {
  std::optional<LateInteractionSpec> spec = read_modules_layout(folder);
  if (!spec && !std::filesystem::exists(folder / "modules.json")) {
    spec = read_stanford_layout(folder);
  }
  if (spec) {
    while (!spec->pipeline.steps.empty() && std::holds_alternative<NormalizeSpec>(spec->pipeline.steps.back())) {
      spec->pipeline.steps.pop_back();
      spec->normalize = true;
    }
    spec->pipeline.normalize_declared = spec->normalize;
    spec->pipeline.pooling.modes = {PoolingMode::kMean};  // one width for the steps to begin with
    spec->pipeline.pooling_source = spec->source;
    if (spec->expansion && spec->query_length && spec->query_length->tokens < spec->expansion->length) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: queries are filled up to {} tokens and cut to {}", spec->source,
                              spec->expansion->length, spec->query_length->tokens));
    }
  }
  return spec;
}

LateInteraction settle(const LateInteractionSpec& spec, const TextSettings& settings, int max_positions,
                       const Tokenizer& tokenizer) {
  LateInteraction late{.expansion = spec.expansion,
                       .keep_only_ids = checked_ids(spec.keep_only_ids, tokenizer),
                       .normalize = spec.normalize};
  late.opening_tokens = count_opening_tokens(tokenizer);
  const std::vector<std::int32_t> skipped = ids_of(spec.skiplist, tokenizer);
  const auto side = [&](const char* role, const std::optional<TokenLimit>& length, bool skips) {
    LateInteraction::Side out{
        .limit = length.value_or(TokenLimit{.tokens = settings.max_length, .source = settings.max_length_source})};
    if (out.limit.tokens > max_positions) {
      out.limit = {.tokens = max_positions, .source = "config.json (the model's positions)"};
    }
    if (const auto prefix = spec.prefixes.find(role); prefix != spec.prefixes.end()) {
      out.whole_prefix = prefix->second;
      settle_prefix(prefix->second, tokenizer, out);
    }
    if (const auto prompt = settings.prompts.find(role); prompt != settings.prompts.end()) {
      out.prompt = out.without_prefix(prompt->second);
    }
    if (skips) {
      out.skipped_ids = skipped;
    }
    return out;
  };
  late.query = side("query", spec.query_length, spec.skip_in_queries);
  late.document = side("document", spec.document_length, spec.skip_in_documents);
  if (late.expansion) {
    settle_expansion(spec, settings, max_positions, tokenizer, late);
  }
  check_room(late.query, "query", tokenizer);
  check_room(late.document, "document", tokenizer);
  return late;
}

}  // namespace mlxe
