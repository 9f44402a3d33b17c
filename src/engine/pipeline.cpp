// Reads modules.json, N_Pooling and N_Dense into a PipelineSpec.
#include "engine/pipeline.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "mlxe/error.h"
#include "nn/activation.h"

namespace mlxe {
namespace {

constexpr int kMaxWidth = 1 << 20;
constexpr int kMaxVocabulary = 1 << 24;

struct ModuleEntry {
  std::string path;  // "1_Pooling"; empty for the model's own folder
  std::string kind;  // "Pooling"
};

ModuleEntry read_module_entry(const Json& json, std::size_t index) {
  const JsonFields fields(json, fmt::format("modules.json entry {}", index));
  ModuleEntry entry{.path = fields.text("path", ""), .kind = {}};
  check_module_path(entry.path, fields.what());

  // "sentence_transformers.models.Pooling", or the longer path that newer releases write for the same class.
  const std::string type = fields.text("type");
  entry.kind = type.substr(type.rfind('.') + 1);
  constexpr std::array<std::string_view, 8> kKnown = {"Transformer",    "Pooling",        "Dense",
                                                      "Normalize",      "SpladePooling",  "LogitScore",
                                                      "MLMTransformer", "StaticEmbedding"};
  if (!type.starts_with("sentence_transformers.") || std::ranges::find(kKnown, entry.kind) == kKnown.end()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: module '{}' is not supported, wanted one of: {}",
                                                     fields.what(), type, fmt::join(kKnown, ", ")));
  }
  return entry;
}

// Nothing: a list that adds up to nothing we know.
std::optional<PipelineKind> kind_of(std::span<const std::string_view> kinds) {
  const auto follows_pooling = [](std::string_view kind) { return kind == "Dense" || kind == "Normalize"; };
  if (!kinds.empty() && kinds[0] == "StaticEmbedding") {  // its pooling is part of it
    return std::ranges::all_of(kinds.subspan(1), follows_pooling) ? std::optional(PipelineKind::kPooled) : std::nullopt;
  }
  const bool transformer = !kinds.empty() && (kinds[0] == "Transformer" || kinds[0] == "MLMTransformer");
  if (!transformer) {
    return std::nullopt;
  }
  if (kinds.size() == 1) {
    return PipelineKind::kHeadAlone;
  }
  if (kinds.size() == 2 && kinds[1] == "SpladePooling") {
    return PipelineKind::kSparse;
  }
  if (kinds.size() == 2 && kinds[1] == "LogitScore") {
    return PipelineKind::kLogitScore;
  }
  if (kinds[0] == "Transformer" && kinds[1] == "Pooling" && std::ranges::all_of(kinds.subspan(2), follows_pooling)) {
    return PipelineKind::kPooled;
  }
  return std::nullopt;
}

std::vector<ModuleEntry> read_modules(const std::filesystem::path& folder, const Json& json, PipelineKind& kind) {
  if (!json.is_array()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: is {}, wanted a list of modules",
                                                      (folder / "modules.json").string(), json.type_name()));
  }
  std::vector<ModuleEntry> modules;
  for (const Json& entry : json) {
    modules.push_back(read_module_entry(entry, modules.size()));
  }
  std::vector<std::string_view> kinds;
  for (const ModuleEntry& module : modules) {
    kinds.push_back(module.kind);
  }
  const std::optional<PipelineKind> known = kind_of(kinds);
  if (!known) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("modules.json lists [{}], wanted Transformer and Pooling, or StaticEmbedding, "
                            "then any Dense and Normalize; or "
                            "Transformer and SpladePooling; or Transformer and LogitScore; or Transformer alone",
                            fmt::join(kinds, ", ")));
  }
  kind = *known;
  return modules;
}

// One word, a list of words, or the older booleans; sentence-transformers prefers `pooling_mode`, and takes the mean
// if no boolean is true.
std::string pooling_words(const JsonFields& fields) {
  if (fields.has("pooling_mode")) {
    const Json& value = fields.at("pooling_mode");
    if (!value.is_array()) {
      return fields.text("pooling_mode");
    }
    std::vector<std::string> words;
    for (const Json& word : value) {
      words.push_back(word.is_string() ? word.get<std::string>() : word.dump());
    }
    return fmt::format("{}", fmt::join(words, "+"));
  }
  std::vector<std::string> words;
  for (const char* word :
       {"cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"}) {
    if (fields.boolean(fmt::format("pooling_mode_{}", word), false)) {
      words.emplace_back(word);
    }
  }
  return words.empty() ? "mean" : fmt::format("{}", fmt::join(words, "+"));
}

void read_pooling(const std::filesystem::path& folder, const std::string& name, PipelineSpec& pipeline) {
  const std::filesystem::path path = folder / name / "config.json";
  const JsonFields fields(load_json(path), path.string());
  try {
    pipeline.pooling = parse_pooling(pooling_words(fields));
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: {}", path.string(), error.what()));
  }
  pipeline.pooling.include_prompt = fields.boolean("include_prompt", true);
  pipeline.pooling_source = name + "/config.json";
  for (const char* key : {"embedding_dimension", "word_embedding_dimension"}) {
    if (fields.has(key)) {
      pipeline.pooling_width = fields.integer(key, 1, kMaxWidth);
    }
  }
}

// A folder of model2vec alone: what it averages and whether it normalises is in its own config.json.
bool read_model2vec(const std::filesystem::path& folder, PipelineSpec& pipeline) {
  const std::filesystem::path path = folder / "config.json";
  const std::optional<Json> json = load_json_if_present(path);
  if (!json || !json->is_object() || json->value("model_type", Json()) != "model2vec") {
    return false;
  }
  pipeline.pooling = parse_pooling("mean");
  pipeline.pooling_source = "model2vec";
  pipeline.normalize_declared = JsonFields(*json, path.string()).boolean("normalize", false);
  return true;
}

SpladeSpec read_splade(const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path path = folder / name / "config.json";
  const JsonFields fields(load_json(path), path.string());
  const auto one_of = [&](const char* key, const char* plain, const char* other) {
    const std::string value = fields.text(key, plain);
    if (value != plain && value != other) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: '{}' is '{}', wanted '{}' or '{}'", path.string(), key, value, plain, other));
    }
    return value == other;
  };
  SpladeSpec splade;
  splade.join = one_of("pooling_strategy", "max", "sum") ? SpladeSpec::Join::kSum : SpladeSpec::Join::kMax;
  splade.log_twice = one_of("activation_function", "relu", "log1p_relu");
  for (const char* key : {"embedding_dimension", "word_embedding_dimension"}) {
    if (fields.has(key)) {
      splade.width = fields.integer(key, 1, kMaxVocabulary);
    }
  }
  return splade;
}

LogitScoreSpec read_logit_score(const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path path = folder / name / "config.json";
  const JsonFields fields(load_json(path), path.string());
  LogitScoreSpec score{.true_token_id = fields.integer("true_token_id", 0, kMaxVocabulary), .false_token_id = {}};
  if (fields.has("false_token_id")) {
    score.false_token_id = fields.integer("false_token_id", 0, kMaxVocabulary);
  }
  return score;
}

}  // namespace

// A folder below the model's own: modules.json comes from strangers and must not lead elsewhere.
void check_module_path(const std::string& path, const std::string& what) {
  const std::filesystem::path parts(path);
  const bool climbs = std::ranges::find(parts, std::filesystem::path("..")) != parts.end();
  if (parts.is_absolute() || climbs || path.find_first_of(std::string_view("\\:\0", 3)) != std::string::npos) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: 'path' is '{}', wanted a folder inside the model's own", what, path));
  }
}

DenseSpec read_dense(const std::filesystem::path& folder, const std::string& name, const std::string& feature) {
  const std::filesystem::path path = folder / name / "config.json";
  const JsonFields fields(load_json(path), path.string());
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (const std::string found = fields.text(key, feature); found != feature) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: '{}' is '{}', only '{}' is supported here", path.string(), key, found, feature));
    }
  }
  DenseSpec dense{.name = name,
                  .folder = folder / name,
                  .in_features = fields.integer("in_features", 1, kMaxWidth),
                  .out_features = fields.integer("out_features", 1, kMaxWidth),
                  .bias = fields.boolean("bias", true),
                  .residual = fields.boolean("use_residual", false)};
  if (fields.has("activation_function")) {
    try {
      dense.activation = activation_from_torch(fields.text("activation_function"));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", path.string(), error.what()));
    }
  }
  return dense;
}

PipelineSpec read_pipeline(const std::filesystem::path& folder, const std::optional<std::string>& pooling) {
  PipelineSpec pipeline;
  if (const std::optional<Json> json = load_json_if_present(folder / "modules.json")) {
    const std::vector<ModuleEntry> modules = read_modules(folder, *json, pipeline.kind);
    pipeline.transformer_folder = folder / modules[0].path;
    pipeline.is_static = modules[0].kind == "StaticEmbedding";
    if (pipeline.is_static) {
      pipeline.pooling = parse_pooling("mean");
      pipeline.pooling_source = "StaticEmbedding";
    }
    switch (pipeline.kind) {
      case PipelineKind::kPooled:
        if (pipeline.is_static) {
          break;
        }
        // Converters that copy files and no folders lose it.
        if (std::filesystem::exists(folder / modules[1].path)) {
          read_pooling(folder, modules[1].path, pipeline);
        } else {
          pipeline.pooling_gap = fmt::format("modules.json lists '{}', which is not there", modules[1].path);
        }
        break;
      case PipelineKind::kSparse: pipeline.splade = read_splade(folder, modules[1].path); break;
      case PipelineKind::kLogitScore: pipeline.logit_score = read_logit_score(folder, modules[1].path); break;
      default: break;
    }
    if (pipeline.kind != PipelineKind::kPooled) {
      pipeline.pooling_gap = "modules.json lists no Pooling";
    }
    for (std::size_t index = pipeline.is_static ? 1 : 2; index < modules.size(); ++index) {
      if (modules[index].kind == "Dense") {
        pipeline.steps.emplace_back(read_dense(folder, modules[index].path, "sentence_embedding"));
      } else {
        pipeline.steps.emplace_back(NormalizeSpec{});
      }
    }
  } else {
    pipeline.transformer_folder = folder;
    if (read_model2vec(folder, pipeline)) {
      pipeline.is_static = true;
    } else if (std::filesystem::exists(folder / "1_Pooling" / "config.json")) {
      read_pooling(folder, "1_Pooling", pipeline);
    } else {
      pipeline.pooling_gap = "the folder has no modules.json and no 1_Pooling";
    }
  }
  if (!pipeline.pooling_gap.empty()) {
    pipeline.pooling = parse_pooling("mean");
    pipeline.pooling_source = "default";
  }
  while (!pipeline.steps.empty() && std::holds_alternative<NormalizeSpec>(pipeline.steps.back())) {
    pipeline.steps.pop_back();
    pipeline.normalize_declared = true;
  }
  if (pooling) {
    pipeline.pooling.modes = parse_pooling(*pooling).modes;
    pipeline.pooling_source = "option";
  }
  return pipeline;
}

int check_widths(const PipelineSpec& pipeline, int hidden_size) {
  if (pipeline.pooling_width && *pipeline.pooling_width != hidden_size) {
    throw Error(
        ErrorCode::kCorruptModel,
        fmt::format("the pooling's configuration is for vectors of width {}, the transformer's hidden_size is {}",
                    *pipeline.pooling_width, hidden_size));
  }
  int width = hidden_size * static_cast<int>(pipeline.pooling.modes.size());
  std::string from = fmt::format("pooling '{}' (from {})", to_string(pipeline.pooling), pipeline.pooling_source);
  for (const auto& step : pipeline.steps) {
    if (const auto* dense = std::get_if<DenseSpec>(&step)) {
      if (dense->in_features != width) {
        const ErrorCode code =
            pipeline.pooling_source == "option" ? ErrorCode::kInvalidInput : ErrorCode::kCorruptModel;
        throw Error(code, fmt::format("{} gives vectors of width {}, '{}' wants in_features = {}", from, width,
                                      dense->name, dense->in_features));
      }
      width = dense->out_features;
      from = fmt::format("'{}'", dense->name);
    }
  }
  return width;
}

std::vector<std::string> describe(const PipelineSpec& pipeline) {
  std::vector<std::string> modules = {pipeline.is_static ? "static embeddings" : "transformer",
                                      "pooling " + to_string(pipeline.pooling)};
  for (const auto& step : pipeline.steps) {
    if (const auto* dense = std::get_if<DenseSpec>(&step)) {
      modules.push_back(
          fmt::format("dense {}->{} {}", dense->in_features, dense->out_features, to_string(dense->activation)));
    } else {
      modules.emplace_back("normalize");
    }
  }
  if (pipeline.normalize_declared) {
    modules.emplace_back("normalize");
  }
  return modules;
}

}  // namespace mlxe
