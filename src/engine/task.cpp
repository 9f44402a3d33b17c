// Reads `architectures`, the labels and the activations of config.json.
#include "engine/task.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "engine/listwise_scorer.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// Written as jina-reranker-v3 names itself.
constexpr std::string_view kListwiseArchitecture = "JinaForRanking";
constexpr int kMaxLabels = 1 << 20;
constexpr std::array<std::pair<Task, std::string_view>, 8> kTaskNames = {{{Task::kAuto, "auto"},
                                                                          {Task::kEmbed, "embed"},
                                                                          {Task::kMultiVector, "multi-vector"},
                                                                          {Task::kSparse, "sparse"},
                                                                          {Task::kRerank, "rerank"},
                                                                          {Task::kClassify, "classify"},
                                                                          {Task::kClassifyTokens, "classify-tokens"},
                                                                          {Task::kFillMask, "fill-mask"}}};

// The first of `architectures`: "BertForSequenceClassification"; empty if config.json has none.
std::string first_architecture(const JsonFields& config) {
  if (!config.has("architectures")) {
    return "";
  }
  const Json& names = config.at("architectures");
  return names.is_array() && !names.empty() && names[0].is_string() ? names[0].get<std::string>() : "";
}

std::vector<std::string> numbered_labels(int count) {
  std::vector<std::string> labels;
  for (int index = 0; index < count; ++index) {
    labels.push_back(fmt::format("LABEL_{}", index));
  }
  return labels;
}

// The names of the scores, by index. What transformers assumes for a config.json that says nothing are two labels (it
// does not write them out either); weights of another shape are then an error.
std::vector<std::string> read_labels(const JsonFields& config, std::vector<std::string>& warnings) {
  const bool has_count = config.has("num_labels");
  if (!config.has("id2label")) {
    if (!has_count) {
      warnings.emplace_back(
          "config.json has neither id2label nor num_labels: two labels, LABEL_0 and LABEL_1, as in transformers");
    }
    return numbered_labels(config.integer("num_labels", 1, kMaxLabels, 2));
  }
  const JsonFields names(config.at("id2label"), config.what() + ": 'id2label'");
  const auto count = static_cast<int>(names.json().size());
  std::vector<std::string> labels;
  for (int index = 0; index < count; ++index) {
    const std::string key = std::to_string(index);
    if (!names.has(key)) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{} has {} labels, wanted one for each index from 0 to {}; "
                                                        "there is none for {}",
                                                        names.what(), count, count - 1, key));
    }
    // Numbers are labels too ("0": 1 star is written so by some).
    const Json& label = names.at(key);
    labels.push_back(label.is_string() ? label.get<std::string>() : label.dump());
  }
  if (labels.empty() || (has_count && config.integer("num_labels", 1, kMaxLabels) != count)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{} has {} labels, 'num_labels' is {}", names.what(), count,
                            has_count ? config.at("num_labels").dump() : "absent; wanted one label at least"));
  }
  return labels;
}

// Source: TextClassificationPipeline of transformers.
ScoreFunction class_scores(const JsonFields& config, std::size_t num_labels) {
  const std::string type = config.text("problem_type", "");
  if (type == "regression") {
    return ScoreFunction::kNone;
  }
  if (type == "multi_label_classification") {
    return ScoreFunction::kSigmoid;
  }
  if (!type.empty() && type != "single_label_classification") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'problem_type' is '{}', wanted 'regression', 'single_label_classification' or "
                            "'multi_label_classification'",
                            config.what(), type));
  }
  return num_labels == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kSoftmax;
}

// Source: CrossEncoder.get_default_activation_fn of sentence-transformers; the older key is that of its releases
// before 4.0.
ScoreFunction pair_scores(const JsonFields& config, const TextSettings& settings, std::size_t num_labels) {
  std::string name = settings.activation_fn.value_or("");
  if (name.empty() && config.has("sentence_transformers")) {
    const JsonFields fields(config.at("sentence_transformers"), config.what() + ": 'sentence_transformers'");
    name = fields.text("activation_fn", "");
  }
  if (name.empty()) {
    name = config.text("sbert_ce_default_activation_function", "");
  }
  if (name.empty()) {
    return num_labels == 1 ? ScoreFunction::kSigmoid : ScoreFunction::kNone;
  }
  const std::string kind = name.starts_with("torch.") ? name.substr(name.rfind('.') + 1) : name;
  if (kind == "Identity") {
    return ScoreFunction::kNone;
  }
  if (kind == "Sigmoid") {
    return ScoreFunction::kSigmoid;
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("the activation of the scores is '{}', only torch's Sigmoid and Identity are supported", name));
}

void expect_transformer_task(const TextSettings& settings, std::string_view wanted) {
  if (settings.transformer_task && *settings.transformer_task != wanted) {
    throw Error(ErrorCode::kUnsupported, fmt::format("'transformer_task' is '{}', the list in modules.json wants '{}'",
                                                     *settings.transformer_task, wanted));
  }
}

Task declared_task(const PipelineSpec& pipeline, const TextSettings& settings, const std::string& architecture,
                   const JsonFields& config, std::string& source) {
  source = "modules.json";
  switch (pipeline.kind) {
    case PipelineKind::kPooled: expect_transformer_task(settings, "feature-extraction"); return Task::kEmbed;
    case PipelineKind::kSparse: expect_transformer_task(settings, "fill-mask"); return Task::kSparse;
    case PipelineKind::kLogitScore: expect_transformer_task(settings, "text-generation"); return Task::kRerank;
    case PipelineKind::kHeadAlone:
      if (!settings.transformer_task) {
        throw Error(ErrorCode::kUnsupported,
                    "modules.json lists [Transformer] and no file says its 'transformer_task', "
                    "wanted a Pooling module or the task 'sequence-classification'");
      }
      expect_transformer_task(settings, "sequence-classification");
      return Task::kRerank;
    case PipelineKind::kUndeclared: break;
  }
  source = "config.json (architectures)";
  if (architecture.ends_with("ForSequenceClassification")) {
    std::vector<std::string> ignored;
    return read_labels(config, ignored).size() == 1 ? Task::kRerank : Task::kClassify;
  }
  if (architecture == kListwiseArchitecture) {
    return Task::kRerank;
  }
  if (architecture.ends_with("ForTokenClassification")) {
    return Task::kClassifyTokens;
  }
  if (architecture.empty()) {
    source = "default";
  }
  return Task::kEmbed;
}

void expect_architecture(const std::string& architecture, Task task, std::string_view ending) {
  if (!architecture.empty() && !architecture.ends_with(ending)) {
    throw Error(ErrorCode::kUnsupported, fmt::format("config.json's architecture is {}, the task '{}' wants one that "
                                                     "ends with {}",
                                                     architecture, to_string(task), ending));
  }
}

std::int32_t mark_of(const Tokenizer& tokenizer, std::string_view token) {
  const std::optional<std::int32_t> id = tokenizer.token_to_id(token);
  if (!id) {
    throw Error(
        ErrorCode::kCorruptModel,
        fmt::format("the vocabulary has no token '{}', which {} reads the scores from", token, kListwiseArchitecture));
  }
  return *id;
}

std::int32_t answer_token(const Tokenizer& tokenizer, std::string_view word) {
  const std::optional<std::int32_t> id = tokenizer.token_to_id(word);
  if (!id) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the vocabulary has no token '{}', reranking with a decoder wants 'yes' and 'no'", word));
  }
  return *id;
}

// Other answers are those to other questions than the one prompt that is known here.
std::int32_t checked_answer(const Tokenizer& tokenizer, std::int32_t id, const char* key, std::string_view word) {
  if (id != answer_token(tokenizer, word)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the LogitScore's '{}' is {} ('{}'), only '{}' of Qwen3-Reranker's prompt is supported",
                            key, id, printable(tokenizer.id_to_token(id).value_or("no token"), 40), word));
  }
  return id;
}

HeadSpec decoder_head(const PipelineSpec& pipeline, const Tokenizer& tokenizer) {
  HeadSpec head{.kind = HeadKind::kNextToken, .num_labels = 0, .token_ids = {}};
  if (!pipeline.logit_score) {
    head.token_ids = {answer_token(tokenizer, "yes"), answer_token(tokenizer, "no")};
    return head;
  }
  head.token_ids = {checked_answer(tokenizer, pipeline.logit_score->true_token_id, "true_token_id", "yes")};
  if (pipeline.logit_score->false_token_id) {
    head.token_ids.push_back(checked_answer(tokenizer, *pipeline.logit_score->false_token_id, "false_token_id", "no"));
  }
  return head;
}

}  // namespace

std::string_view to_string(Task task) {
  return std::ranges::find(kTaskNames, task, &std::pair<Task, std::string_view>::first)->second;
}

std::string_view to_string(ScoreFunction function) {
  switch (function) {
    case ScoreFunction::kSigmoid: return "sigmoid";
    case ScoreFunction::kSoftmax: return "softmax";
    case ScoreFunction::kNone: break;
  }
  return "none";
}

TaskSpec late_task(Task wanted, const std::string& source) {
  if (wanted != Task::kAuto && wanted != Task::kEmbed && wanted != Task::kMultiVector && wanted != Task::kRerank) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the folder is one of late interaction (from {}), the task '{}' wants another model",
                            source, to_string(wanted)));
  }
  return {.task = Task::kMultiVector, .source = source, .head = {}, .labels = {}, .warnings = {}};
}

TaskSpec decide_task(Task wanted, const PipelineSpec& pipeline, const TextSettings& settings, const JsonFields& config,
                     const Tokenizer& tokenizer) {
  TaskSpec spec{.task = wanted, .source = "option", .head = {}, .labels = {}, .warnings = {}};
  const std::string architecture = first_architecture(config);
  if (wanted == Task::kAuto) {
    spec.task = declared_task(pipeline, settings, architecture, config, spec.source);
  }
  switch (spec.task) {
    case Task::kAuto:
    case Task::kEmbed: break;
    case Task::kMultiVector:
      throw Error(ErrorCode::kUnsupported,
                  "the folder has no settings of late interaction, which the task 'multi-vector' wants");
    case Task::kSparse:
    case Task::kFillMask: spec.head.kind = HeadKind::kMaskedLm; break;
    case Task::kRerank:
      if (architecture == kListwiseArchitecture) {
        spec.head.kind = HeadKind::kMarkedTokens;
        spec.head.token_ids = {mark_of(tokenizer, kListwiseDocumentToken), mark_of(tokenizer, kListwiseQueryToken)};
        break;
      }
      if (pipeline.kind == PipelineKind::kLogitScore || architecture.ends_with("ForCausalLM")) {
        // Such a decoder was trained for vectors, and its next word means nothing.
        if (pipeline.kind == PipelineKind::kPooled) {
          throw Error(ErrorCode::kUnsupported,
                      "modules.json lists a Pooling, so the decoder gives vectors and answers no question; the command "
                      "embed and the task 'embed' take it");
        }
        spec.head = decoder_head(pipeline, tokenizer);
        spec.pair_scores = pair_scores(config, settings, 1);
        break;
      }
      [[fallthrough]];
    case Task::kClassify:
      expect_architecture(architecture, spec.task, "ForSequenceClassification");
      spec.head.kind = HeadKind::kSequence;
      spec.labels = read_labels(config, spec.warnings);
      spec.class_scores = class_scores(config, spec.labels.size());
      spec.pair_scores = pair_scores(config, settings, spec.labels.size());
      break;
    case Task::kClassifyTokens:
      expect_architecture(architecture, spec.task, "ForTokenClassification");
      spec.head.kind = HeadKind::kToken;
      spec.labels = read_labels(config, spec.warnings);
      spec.class_scores = ScoreFunction::kSoftmax;
      break;
  }
  spec.head.num_labels = static_cast<int>(spec.labels.size());
  return spec;
}

}  // namespace mlxe
