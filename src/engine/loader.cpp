// Loads configuration, tokenizer and weights, and checks them against each other.
#include "engine/loader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/json.h"
#include "engine/family_defaults.h"
#include "engine/gguf_source.h"
#include "engine/model_folders.h"
#include "engine/pipeline.h"
#include "mlxe/error.h"
#include "weights/gguf_model.h"
#include "weights/lora.h"
#include "weights/weight_map.h"

namespace mlxe {
namespace {

// A StaticEmbedding of sentence-transformers has no configuration of its own.
JsonFields load_config(const std::filesystem::path& folder, bool is_static) {
  const std::filesystem::path path = folder / "config.json";
  return {is_static ? Json({{"model_type", "model2vec"}}) : load_json(path), path.string()};
}

// Static embeddings are cut nowhere and have nothing around a text; what a tokenizer_config.json says is not for them.
TextSettings load_text_settings(const std::filesystem::path& folder, const std::filesystem::path& text_folder,
                                const std::filesystem::path& model_folder, bool is_static) {
  TextSettings settings = read_text_settings(folder, text_folder, model_folder);
  if (is_static) {
    const TextSettings unread;
    settings.max_length = unread.max_length;
    settings.max_length_source = unread.max_length_source;
    settings.lower_case = unread.lower_case;
  }
  return settings;
}

Tokenizer load_tokenizer(const std::filesystem::path& folder, const TextSettings& settings, bool is_static) {
  const std::filesystem::path path = folder / "tokenizer.json";
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("no tokenizer.json in '{}'; wanted the file that fast tokenizers are saved as "
                            "(vocab.txt or a SentencePiece model alone are not enough)",
                            folder.string()));
  }
  return Tokenizer(path, settings.lower_case ? Casing::kLower : Casing::kAsFile,
                   is_static ? SpecialTokens::kNone : SpecialTokens::kAsFile);
}

DenseLayer load_dense(const DenseSpec& spec, Backend& backend, ModelInfo& info) {
  WeightMap weights(spec.folder);
  LinearPart part{.weight = weights.take("linear.weight", {spec.out_features, spec.in_features}), .bias = {}};
  if (spec.bias) {
    part.bias = weights.take("linear.bias", {spec.out_features});
  }
  DenseLayer layer{.activation = spec.activation, .use_residual = spec.residual};
  if (spec.residual && spec.in_features != spec.out_features) {
    layer.residual = backend.linear_weight(std::array{
        LinearPart{.weight = weights.take("residual.weight", {spec.out_features, spec.in_features}), .bias = {}}});
  }
  weights.finish();
  info.num_parameters += weights.num_parameters();
  layer.weight = backend.linear_weight(std::array{std::move(part)});
  return layer;
}

// Stanford's ColBERT keeps its projection among the transformer's weights.
DenseLayer take_projection(WeightMap& weights, Backend& backend, int hidden_size, int& width) {
  const Shape found = weights.shape_of("linear.weight").value_or(Shape());
  width = found.size() == 2 ? found[0] : 1;
  LinearPart part{.weight = weights.take("linear.weight", {width, hidden_size}), .bias = {}};
  return {.weight = backend.linear_weight(std::array{std::move(part)}), .activation = Activation::kNone};
}

// A token id beyond the table would read past its end.
void check_vocabulary(const Tokenizer& tokenizer, const ModelTraits& traits) {
  if (tokenizer.vocab_size() > static_cast<std::size_t>(traits.vocab_size)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("tokenizer.json has token ids up to {}, the model's word embeddings have {} rows",
                            tokenizer.vocab_size() - 1, traits.vocab_size));
  }
}

void lower_max_length(TextSettings& settings, int limit, const char* source) {
  if (settings.max_length > limit) {
    settings.max_length = limit;
    settings.max_length_source = source;
  }
}

void settle_max_length(TextSettings& settings, const ModelTraits& traits, const Tokenizer& tokenizer) {
  lower_max_length(settings, traits.max_positions, "config.json (the model's positions)");
  if (settings.max_length <= tokenizer.num_special_tokens()) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{} allows {} tokens, wanted more than the {} special tokens around a text",
                            settings.max_length_source, settings.max_length, tokenizer.num_special_tokens()));
  }
}

void describe_text(const TextSettings& settings, ModelInfo& info) {
  info.max_length = settings.max_length;
  info.max_length_source = settings.max_length_source;
  for (const auto& [name, prompt] : settings.prompts) {
    info.prompt_names.push_back(name);
  }
  info.default_prompt_name = settings.default_prompt_name.value_or("");
  info.prompt_source = settings.prompt_source;
}

// "matryoshka_dimensions" is what servers of embeddings read, the other is what the library's own tools write.
void read_matryoshka(const JsonFields& config, ModelInfo& info) {
  for (const char* key : {"matryoshka_dims", "matryoshka_dimensions"}) {
    if (!config.has(key) || !config.at(key).is_array()) {
      continue;
    }
    for (const Json& dim : config.at(key)) {
      const std::int64_t value = dim.is_number_integer() ? dim.get<std::int64_t>() : 0;
      if (value > 0 && value <= std::numeric_limits<int>::max()) {
        info.matryoshka_dims.push_back(static_cast<int>(value));
      }
    }
    return;
  }
}

void describe_late(const LateInteractionSpec& spec, const LateInteraction& late, const Tokenizer& tokenizer,
                   ModelInfo& info) {
  const std::string filling = late.expansion ? fmt::format("filled up to {} tokens with '{}'{}", late.expansion->length,
                                                           tokenizer.id_to_token(late.expansion_id).value_or("?"),
                                                           late.expansion->attend ? "" : " that is not attended to")
                                             : fmt::format("up to {} tokens", late.query.limit.tokens);
  info.late_interaction = fmt::format("queries {}; documents up to {} tokens, {} words left out (from {})", filling,
                                      late.document.limit.tokens, late.document.skipped_ids.size(), spec.source);
  info.modules[1] = "one vector for each token";
  info.pooling = "none";
  info.pooling_source = spec.source;
}

// The checkpoint's word for a hidden word, if the vocabulary has it.
std::string find_mask_token(const TextSettings& settings, const Tokenizer& tokenizer) {
  for (const std::string& token : {settings.mask_token, std::string("[MASK]"), std::string("<mask>")}) {
    if (!token.empty() && tokenizer.token_to_id(token)) {
      return token;
    }
  }
  return "";
}

// The head's tokens are rows of the vocabulary; a SpladePooling has a weight for each of them.
void check_head(const TaskSpec& task, const PipelineSpec& pipeline, const ModelTraits& traits) {
  for (const std::int32_t id : task.head.token_ids) {
    if (id >= traits.vocab_size) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("the score's token id is {}, the model has {} words", id, traits.vocab_size));
    }
  }
  if (task.task == Task::kSparse && pipeline.splade.width.value_or(traits.vocab_size) != traits.vocab_size) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("SpladePooling's configuration is for {} words, the model has {}",
                                                      *pipeline.splade.width, traits.vocab_size));
  }
}

void describe_task(const TaskSpec& task, ModelInfo& info) {
  info.task = to_string(task.task);
  info.task_source = task.source;
  info.labels = task.labels;
  info.is_listwise = task.head.kind == HeadKind::kMarkedTokens;
  if (task.head.kind != HeadKind::kNone && task.head.kind != HeadKind::kMaskedLm) {
    info.score_function = to_string(task.task == Task::kRerank ? task.pair_scores : task.class_scores);
  }
}

// "3 labels, softmax", "splade max": what stands on the transformer, for people.
std::string describe_head(const TaskSpec& task, const PipelineSpec& pipeline) {
  switch (task.head.kind) {
    case HeadKind::kSequence: return fmt::format("sequence head of {} labels", task.labels.size());
    case HeadKind::kToken: return fmt::format("token head of {} labels", task.labels.size());
    case HeadKind::kNextToken: return "next-token head";
    case HeadKind::kMarkedTokens: return "listwise head";
    default: break;
  }
  if (task.task != Task::kSparse) {
    return "masked-language-model head";
  }
  return fmt::format("splade {}{}", pipeline.splade.join == SpladeSpec::Join::kMax ? "max" : "sum",
                     pipeline.splade.log_twice ? " log1p_relu" : "");
}

void describe_vectors(const PipelineSpec& pipeline, int width, const TextSettings& settings, ModelInfo& info) {
  info.embedding_dim = std::min(width, settings.truncate_dim.value_or(width));
  info.pooling = to_string(pipeline.pooling);
  info.pooling_source = pipeline.pooling_source;
  info.normalize_declared = pipeline.normalize_declared;
  info.modules = describe(pipeline);
  info.warnings = pipeline.warnings;
}

std::vector<std::string> describe(const TokenHeads& heads) {
  std::vector<std::string> outputs;
  if (heads.any()) {
    outputs.emplace_back("dense");
  }
  if (heads.sparse) {
    outputs.emplace_back("lexical");
  }
  if (heads.colbert) {
    outputs.emplace_back("multi-vector");
  }
  return outputs;
}

void describe_backend(const BackendInfo& backend, ModelInfo& info) {
  info.device = backend.device;
  info.precision = backend.precision;
  info.precision_reason = backend.precision_reason;
  info.instruction_set = backend.instruction_set;
  info.threads = backend.threads;
}

}  // namespace

LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options,
                       std::unique_ptr<Backend> backend) {
  const auto tell = [&](std::string_view text) {
    if (options.on_step) {
      options.on_step(text);
    }
  };
  std::optional<GgufModel> gguf;
  if (const auto path = find_gguf(folder)) {
    gguf = read_gguf_model(*path);
  }
  const ModelFolders folders =
      find_model_folders(gguf ? gguf->path.parent_path() : folder, options.adapter, options.hub);
  std::optional<LateInteractionSpec> late = read_late_interaction(folders.pipeline);
  if (late && options.pooling) {
    throw Error(ErrorCode::kInvalidInput,
                "the model gives one vector for each token, so there is no pooling to choose");
  }
  PipelineSpec pipeline = late ? late->pipeline : read_pipeline(folders.pipeline, options.pooling);
  const std::filesystem::path model_folder = folders.base.value_or(pipeline.transformer_folder);
  const std::filesystem::path text_folder = tokenizer_folder(folders.adapter.value_or(model_folder), model_folder);
  const JsonFields config = gguf ? gguf->config : load_config(model_folder, pipeline.is_static);
  const Architecture& architecture = find_architecture(config.text("model_type"));
  tell(fmt::format("register: model_type '{}' of {}", architecture.model_type, config.what()));
  tell("validate: configuration, modules and tokenizer");
  TextSettings settings = load_text_settings(folders.pipeline, text_folder, model_folder, pipeline.is_static);
  if (gguf) {
    apply_gguf(*gguf, pipeline, settings);
  }
  apply_family(folder, config, pipeline, settings);
  Tokenizer tokenizer =
      gguf ? load_gguf_tokenizer(*gguf, settings) : load_tokenizer(text_folder, settings, pipeline.is_static);
  TaskSpec task =
      late ? late_task(options.task, late->source) : decide_task(options.task, pipeline, settings, config, tokenizer);
  if (options.pooling && task.task != Task::kEmbed) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("a pooling was chosen, but the model is loaded for the task '{}', which pools nothing",
                            to_string(task.task)));
  }
  std::optional<YesNoPrompt> prompt;
  if (task.head.kind == HeadKind::kNextToken) {
    prompt = make_yes_no_prompt(tokenizer);
    if (pipeline.logit_score) {
      check_yes_no_template(settings.chat_template);
      // Its prompt is the instruction of the template.
      prompt->instruction = settings.default_prompt_name ? choose_prompt(settings, {}) : prompt->instruction;
    }
    lower_max_length(settings, kYesNoMaxLength, "the prompt of Qwen3-Reranker");
  }

  tell(fmt::format("import: weights of {}", model_folder.string()));
  const WeightMapOptions weight_options = {.quantization = QuantizationConfig::parse(config),
                                           .translate = translator_of(config),
                                           .expand_quantized = options.expand_quantized};
  WeightMap weights = gguf ? WeightMap(gguf->path, std::move(gguf->tensors), architecture.weight_name, weight_options)
                           : WeightMap(model_folder, architecture.weight_name, weight_options);
  ModelInfo info;
  if (folders.adapter) {
    merge_lora(*folders.adapter, read_lora_config(*folders.adapter), weights, architecture.weight_name);
    info.adapter = folders.adapter->string();
  }
  tell(fmt::format("initialise: {} for the task '{}'", architecture.model_type, to_string(task.task)));
  std::unique_ptr<Model> model = architecture.make(config, weights, *backend, task.head);
  const ModelTraits& traits = model->traits();
  std::vector<std::variant<DenseLayer, NormalizeStep>> steps;
  int width = traits.hidden_size;
  if (late && late->inline_projection) {
    steps.emplace_back(take_projection(weights, *backend, traits.hidden_size, width));
  }
  weights.finish();
  check_vocabulary(tokenizer, traits);
  settle_max_length(settings, traits, tokenizer);
  check_head(task, pipeline, traits);

  info.path = folder.string();
  info.model_type = architecture.model_type;
  info.vocab_size = traits.vocab_size;
  info.num_token_types = traits.num_token_types;
  info.hidden_size = traits.hidden_size;
  info.num_layers = traits.num_layers;
  info.num_parameters = weights.num_parameters();
  info.checkpoint_dtype = weights.type_of_largest();
  info.float_dtype = to_string(weights.float_type());
  info.mask_token = find_mask_token(settings, tokenizer);
  info.max_positions = traits.max_positions;
  describe_text(settings, info);
  read_matryoshka(config, info);
  describe_task(task, info);
  if (task.task == Task::kEmbed || task.task == Task::kMultiVector) {
    if (!late || !late->inline_projection) {
      width = check_widths(pipeline, traits.hidden_size);
    }
    describe_vectors(pipeline, width, settings, info);
    for (const auto& step : pipeline.steps) {
      if (const auto* dense = std::get_if<DenseSpec>(&step)) {
        steps.emplace_back(load_dense(*dense, *backend, info));
      } else {
        steps.emplace_back(NormalizeStep{});
      }
    }
  } else {
    info.modules = {"transformer", describe_head(task, pipeline)};
  }
  TokenHeads token_heads;
  if (task.task == Task::kEmbed) {
    token_heads = load_token_heads(model_folder, traits.hidden_size, settings, tokenizer, *backend);
    info.num_parameters += token_heads.num_parameters;
    info.combined = describe(token_heads);
  }
  describe_backend(backend->info(), info);
  std::optional<LateInteraction> settled;
  if (late) {
    settled = settle(*late, settings, traits.max_positions, tokenizer);
    describe_late(*late, *settled, tokenizer, info);
  }
  const std::vector<std::string> expansions = weights.expansions();
  info.warnings.insert(info.warnings.end(), expansions.begin(), expansions.end());
  info.warnings.insert(info.warnings.end(), task.warnings.begin(), task.warnings.end());
  info.warnings.insert(info.warnings.end(), traits.warnings.begin(), traits.warnings.end());
  tell(fmt::format("return: {} parameters on {}, {}", info.num_parameters, info.device, info.precision));
  return {.backend = std::move(backend),
          .model = std::move(model),
          .tokenizer = std::move(tokenizer),
          .task = std::move(task),
          .prompt = std::move(prompt),
          .splade = pipeline.splade,
          .pooling = std::move(pipeline.pooling),
          .steps = std::move(steps),
          .width = width,
          .settings = std::move(settings),
          .token_heads = std::move(token_heads),
          .late = std::move(settled),
          .info = std::move(info)};
}

}  // namespace mlxe
