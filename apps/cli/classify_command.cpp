// `mlx_embeddings classify`: the labels of texts, or of stretches of them.
#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/utf8.h"
#include "commands.h"
#include "exit_code.h"
#include "flag_text.h"
#include "json_text.h"
#include "labels.h"
#include "record_output.h"
#include "window_run.h"

namespace mlxe::cli {
namespace {

constexpr std::size_t kLabelColumns = 48;

struct ClassifyFlags {
  RecordFlags records;
  std::optional<std::size_t> top_k;
  bool raw = false;
  std::optional<std::string> aggregation;
  std::optional<std::string> pair;  ///< a second text for each
};

Aggregation aggregation_of(const std::string& name) {
  if (name == "none") {
    return Aggregation::kNone;
  }
  if (name == "simple") {
    return Aggregation::kSimple;
  }
  return name == "bioes" ? Aggregation::kBioes : Aggregation::kAuto;
}

/// Indices of the labels, the highest score first.
std::vector<std::size_t> best_labels(std::span<const float> scores, std::optional<std::size_t> count) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t label) { return scores[label]; });
  order.resize(std::min(order.size(), count.value_or(order.size())));
  return order;
}

std::string class_table(std::string_view text, const Classifications& classes, std::size_t row,
                        std::optional<std::size_t> count) {
  std::string out = label(text, kLabelColumns) + "\n";
  for (const std::size_t index : best_labels(classes.row(row), count)) {
    out += fmt::format("  {:>12.6g}  {}\n", classes.row(row)[index], label(classes.labels[index], kLabelColumns));
  }
  return out;
}

std::string class_json(const Classifications& classes, std::size_t row, std::size_t index,
                       std::optional<std::size_t> count) {
  std::string out = "{" + report_json(index, classes.items[row]) + ",\"labels\":[";
  bool comma = false;
  for (const std::size_t number : best_labels(classes.row(row), count)) {
    out += fmt::format("{}{{\"label\":{},\"score\":", comma ? "," : "", json_string(classes.labels[number]));
    append_number(out, classes.row(row)[number]);
    out += "}";
    comma = true;
  }
  return out + "]}";
}

std::string span_table(std::string_view text, const LabelledText& result) {
  std::string out = label(text, kLabelColumns) + "\n";
  for (const LabelledSpan& span : result.spans) {
    out += fmt::format("  {:>5}-{:<5} {:>8.4f}  {:<16} {}\n", span.begin, span.end, span.score,
                       label(span.label, kLabelColumns), label(span.text, kLabelColumns));
  }
  return out;
}

std::string span_json(const LabelledText& result, std::size_t index) {
  std::string out = "{" + report_json(index, result.report) + ",\"spans\":[";
  for (std::size_t i = 0; i < result.spans.size(); ++i) {
    const LabelledSpan& span = result.spans[i];
    out += fmt::format("{}{{\"label\":{},\"begin\":{},\"end\":{},\"text\":{},\"score\":", i > 0 ? "," : "",
                       json_string(span.label), span.begin, span.end, json_string(span.text));
    append_number(out, span.score);
    out += "}";
  }
  return out + "]}";
}

/// Every text of the window with its second one: its own, or the one that belongs to all.
std::vector<TextPair> pairs_of(const RunWindow& window, const std::optional<std::string>& pair) {
  std::vector<TextPair> pairs;
  pairs.reserve(window.texts.size());
  for (std::size_t index = 0; index < window.texts.size(); ++index) {
    pairs.emplace_back(window.texts[index], pair ? *pair : window.source.pair_texts[index]);
  }
  return pairs;
}

WindowResult classify_texts(const Engine& engine, const ClassifyFlags& flags, const RunWindow& window,
                            RecordWriter& writer) {
  ClassifyOptions options = with_run(ClassifyOptions(), window);
  options.scores = flags.raw ? ScoreKind::kRaw : ScoreKind::kDeclared;
  const bool paired = flags.pair || flags.records.input.pair_field;
  Classifications classes =
      paired ? engine.classify_pairs(pairs_of(window, flags.pair), options) : engine.classify(window.texts, options);
  std::vector<ItemReport> items = classes.items;
  return {.items = std::move(items), .deliver = [&, classes = std::move(classes)] {
            for (std::size_t row = 0; row < classes.count(); ++row) {
              writer.add(writer.wants_table() ? class_table(window.texts[row], classes, row, flags.top_k)
                                              : class_json(classes, row, window.first + row, flags.top_k));
            }
            writer.flush();
          }};
}

WindowResult classify_spans(const Engine& engine, const ClassifyFlags& flags, const RunWindow& window,
                            RecordWriter& writer) {
  TokenClassifyOptions options;
  options.aggregation = aggregation_of(flags.aggregation.value_or("auto"));
  std::vector<LabelledText> results = engine.classify_tokens(window.texts, with_run(options, window));
  std::vector<ItemReport> items = reports_of(results);
  return {.items = std::move(items), .deliver = [&, results = std::move(results)] {
            for (std::size_t row = 0; row < results.size(); ++row) {
              writer.add(writer.wants_table() ? span_table(window.texts[row], results[row])
                                              : span_json(results[row], window.first + row));
            }
            writer.flush();
          }};
}

int run_classify(const Session& session, const ClassifyFlags& flags) {
  require_model(session);
  if (flags.pair && !is_valid_utf8(*flags.pair)) {
    throw Error(ErrorCode::kInvalidInput, "the text of --pair is not valid UTF-8");
  }
  TextSource source(flags.records.input);
  TextWindow first = source.next().value();  // a source without any text has thrown
  const Engine engine = load_engine(session);
  RecordWriter writer(flags.records, session);
  const bool spans = engine.info().task == "classify-tokens";
  if (spans && (flags.top_k || flags.raw || flags.pair || flags.records.input.pair_field)) {
    throw Error(ErrorCode::kInvalidInput,
                "--top-k, --raw, --pair and --pair-field are for labels of whole texts, this model labels tokens");
  }
  if (!spans && flags.aggregation) {
    throw Error(ErrorCode::kInvalidInput, "--aggregation is for labels of tokens, this model labels whole texts");
  }
  run_windows(engine, session, source, std::move(first), [&](const RunWindow& window) {
    return spans ? classify_spans(engine, flags, window, writer) : classify_texts(engine, flags, window, writer);
  });
  writer.finish();
  return kExitOk;
}

}  // namespace

void add_classify_command(CLI::App& app, Session& session) {
  CLI::App* command = app.add_subcommand("classify", "print the labels of texts, or of words in them");
  auto flags = std::make_shared<ClassifyFlags>();  // owned by the callbacks of this command alone
  add_record_flags(*command, flags->records, "texts");
  CLI::Option* pair = add_text_option(*command, "--pair", flags->pair,
                                      "a second text that is read behind each, for models of pairs (entailment)");
  add_text_option(*command, "--pair-field", flags->records.input.pair_field,
                  "the input is JSON lines with a second text of each under NAME")
      ->type_name("NAME")
      ->excludes(pair);
  limit_to_range(command->add_option_function<int>(
                     "--top-k", [flags](int count) { flags->top_k = static_cast<std::size_t>(count); },
                     "print only the N likeliest labels of a text [all]"),
                 1);
  command->add_flag("--raw", flags->raw, "print the model's own scores instead of probabilities");
  limit_to_names(command->add_option_function<std::string>(
                     "--aggregation", [flags](const std::string& name) { flags->aggregation = name; },
                     "how labels of tokens become spans [auto: bioes where they are written so]"),
                 {"auto", "none", "simple", "bioes"});
  add_model_flags(*command, session);
  add_task_flag(*command, session);
  add_run_flags(*command, session);
  command->footer(
      "Examples:\n"
      "  mlx_embeddings classify -m ./sentiment \"what a fine day\" --output jsonl\n"
      "  mlx_embeddings classify -m ./nli \"a man is eating\" --pair \"somebody eats\"\n"
      "  mlx_embeddings classify -m ./nli -i pairs.jsonl --field premise --pair-field hypothesis");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return run_classify(session, *flags); }; });
}

}  // namespace mlxe::cli
