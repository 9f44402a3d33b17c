// Engine's scores: of pairs, of labels, of words behind masks, of every token.
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arrays.h"
#include "bindings.h"
#include "call.h"
#include "choices.h"
#include "texts.h"
#include "token_rows.h"

namespace mlxe::python {
namespace {

using nb::literals::operator""_a;

using Text = std::string;
using Maybe = std::optional<std::string>;
using Report = std::tuple<int, int>;
using Reports = Matrix<std::int32_t>;
using Scores = std::tuple<Vector<float>, Reports>;
using Classes = std::tuple<Matrix<float>, Reports>;
using Ranked = std::tuple<std::size_t, float, Report>;               // index, score, report
using Span = std::tuple<std::string, float, int, int, std::string>;  // label, score, begin, end, text
using Word = std::tuple<std::int32_t, std::string, float>;           // id, token, probability
using Mask = std::tuple<int, std::vector<Word>>;                     // position, words
using PerToken = std::tuple<Vector<std::int32_t>, Matrix<float>, Reports>;

Report to_report(const ItemReport& report) {
  return {report.tokens, report.tokens_in_text};
}

ScoreKind to_kind(bool raw) {
  return raw ? ScoreKind::kRaw : ScoreKind::kDeclared;
}

template <class Options>
Options run_options(Call& call, std::optional<int> max_length, const Text& on_overflow, std::size_t batch_tokens) {
  Options options;
  options.max_length = max_length;
  options.on_overflow = to_overflow(on_overflow);
  options.batch_tokens = batch_tokens;
  options.on_progress = call.progress();
  return options;
}

std::vector<Ranked> rerank(const LoadedEngine& self, const Text& query, const TextSequence& given,
                           std::optional<std::size_t> top_k, Maybe instruction, bool raw, std::optional<int> max_length,
                           const Text& on_overflow, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts documents(given, "document");
  Call call(std::move(on_progress));
  auto options = run_options<RerankOptions>(call, max_length, on_overflow, batch_tokens);
  options.top_k = top_k;
  options.instruction = std::move(instruction);
  options.scores = to_kind(raw);
  const auto found = call.run([&] { return engine.rerank(query, documents.views(), options); });
  std::vector<Ranked> out;
  out.reserve(found.size());
  for (const RankedDocument& document : found) {
    out.emplace_back(document.index, document.score, to_report(document.report));
  }
  return out;
}

Scores score_pairs(const LoadedEngine& self, const PairSequence& given, Maybe instruction, bool raw,
                   std::optional<int> max_length, const Text& on_overflow, std::size_t batch_tokens,
                   nb::object on_progress) {
  const Engine& engine = self.get();
  const Pairs pairs(given);
  Call call(std::move(on_progress));
  auto options = run_options<RerankOptions>(call, max_length, on_overflow, batch_tokens);
  options.instruction = std::move(instruction);
  options.scores = to_kind(raw);
  PairScores found = call.run([&] { return engine.score_pairs(pairs.views(), options); });
  return {to_vector(std::move(found.values)), to_matrix(std::move(found.items))};
}

Classes to_python(Classifications found) {
  const std::size_t width = found.labels.size();
  return {to_matrix(std::move(found.values), width), to_matrix(std::move(found.items))};
}

Classes classify(const LoadedEngine& self, const TextSequence& given, bool raw, std::optional<int> max_length,
                 const Text& on_overflow, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts texts(given);
  Call call(std::move(on_progress));
  auto options = run_options<ClassifyOptions>(call, max_length, on_overflow, batch_tokens);
  options.scores = to_kind(raw);
  return to_python(call.run([&] { return engine.classify(texts.views(), options); }));
}

Classes classify_pairs(const LoadedEngine& self, const PairSequence& given, bool raw, std::optional<int> max_length,
                       const Text& on_overflow, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const Pairs pairs(given);
  Call call(std::move(on_progress));
  auto options = run_options<ClassifyOptions>(call, max_length, on_overflow, batch_tokens);
  options.scores = to_kind(raw);
  return to_python(call.run([&] { return engine.classify_pairs(pairs.views(), options); }));
}

Classes classify_ids(const LoadedEngine& self, IdMatrix ids, std::optional<IdMatrix> mask,
                     std::optional<IdMatrix> types, bool raw, nb::object on_progress) {
  const Engine& engine = self.get();
  const TokenRows rows(std::move(ids), std::move(mask), std::move(types));
  Call call(std::move(on_progress));
  ClassifyOptions options;
  options.scores = to_kind(raw);
  options.on_progress = call.progress();
  return to_python(call.run([&] { return engine.classify_ids(rows.views(), options); }));
}

std::vector<std::tuple<std::vector<Span>, Report>> classify_tokens(const LoadedEngine& self, const TextSequence& given,
                                                                   const Text& aggregation,
                                                                   std::vector<std::string> ignored_labels,
                                                                   std::optional<int> max_length,
                                                                   const Text& on_overflow, std::size_t batch_tokens,
                                                                   nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts texts(given);
  Call call(std::move(on_progress));
  auto options = run_options<TokenClassifyOptions>(call, max_length, on_overflow, batch_tokens);
  options.aggregation = to_aggregation(aggregation);
  options.ignored_labels = std::move(ignored_labels);
  const auto found = call.run([&] { return engine.classify_tokens(texts.views(), options); });
  std::vector<std::tuple<std::vector<Span>, Report>> out;
  for (const LabelledText& text : found) {
    std::vector<Span> spans;
    for (const LabelledSpan& span : text.spans) {
      spans.emplace_back(span.label, span.score, span.begin, span.end, span.text);
    }
    out.emplace_back(std::move(spans), to_report(text.report));
  }
  return out;
}

std::vector<std::tuple<std::vector<Mask>, Report>> fill_mask(const LoadedEngine& self, const TextSequence& given,
                                                             std::size_t top_k, std::optional<int> max_length,
                                                             const Text& on_overflow, std::size_t batch_tokens,
                                                             nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts texts(given);
  Call call(std::move(on_progress));
  auto options = run_options<FillMaskOptions>(call, max_length, on_overflow, batch_tokens);
  options.top_k = top_k;
  const auto found = call.run([&] { return engine.fill_mask(texts.views(), options); });
  std::vector<std::tuple<std::vector<Mask>, Report>> out;
  for (const FilledText& text : found) {
    std::vector<Mask> masks;
    for (const FilledMask& mask : text.masks) {
      std::vector<Word> words;
      for (const WordScore& word : mask.words) {
        words.emplace_back(word.id, word.token, word.score);
      }
      masks.emplace_back(mask.position, std::move(words));
    }
    out.emplace_back(std::move(masks), to_report(text.report));
  }
  return out;
}

std::vector<PerToken> to_python(std::vector<TokenEmbeddings> found) {
  std::vector<PerToken> out;
  out.reserve(found.size());
  for (TokenEmbeddings& item : found) {
    out.emplace_back(to_vector(std::move(item.ids)),
                     to_matrix(std::move(item.values), static_cast<std::size_t>(item.dim)),
                     to_matrix(std::vector{item.report}));
  }
  return out;
}

std::vector<PerToken> token_logits(const LoadedEngine& self, const TextSequence& given, std::optional<int> max_length,
                                   const Text& on_overflow, std::size_t batch_tokens, nb::object on_progress) {
  const Engine& engine = self.get();
  const Texts texts(given);
  Call call(std::move(on_progress));
  const auto options = run_options<RunOptions>(call, max_length, on_overflow, batch_tokens);
  return to_python(call.run([&] { return engine.token_logits(texts.views(), options); }));
}

std::vector<PerToken> token_logits_ids(const LoadedEngine& self, IdMatrix ids, std::optional<IdMatrix> mask,
                                       std::optional<IdMatrix> types, nb::object on_progress) {
  const Engine& engine = self.get();
  const TokenRows rows(std::move(ids), std::move(mask), std::move(types));
  Call call(std::move(on_progress));
  RunOptions options;
  options.on_progress = call.progress();
  return to_python(call.run([&] { return engine.token_logits_ids(rows.views(), options); }));
}

}  // namespace

void bind_scores(EngineClass& engine) {
  engine.def("rerank", &rerank, "query"_a, "documents"_a, nb::kw_only(), "top_k"_a = nb::none(),
             "instruction"_a = nb::none(), "raw"_a = false, "max_length"_a = nb::none(), "on_overflow"_a = "truncate",
             "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "(index, score, (tokens read, tokens in the text)) of each document, the most relevant first.");
  engine.def("score_pairs", &score_pairs, "pairs"_a, nb::kw_only(), "instruction"_a = nb::none(), "raw"_a = false,
             "max_length"_a = nb::none(), "on_overflow"_a = "truncate", "batch_tokens"_a = 0,
             "on_progress"_a = nb::none(), "A score for each pair of a query and a document.");
  engine.def("classify", &classify, "texts"_a, nb::kw_only(), "raw"_a = false, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "For each text a score for each of info.labels.");
  engine.def("classify_pairs", &classify_pairs, "pairs"_a, nb::kw_only(), "raw"_a = false, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "classify() of pairs of texts.");
  engine.def("classify_ids", &classify_ids, "input_ids"_a.noconvert(), "attention_mask"_a.noconvert() = nb::none(),
             "token_type_ids"_a.noconvert() = nb::none(), nb::kw_only(), "raw"_a = false, "on_progress"_a = nb::none(),
             "classify() of rows of token ids.");
  engine.def("classify_tokens", &classify_tokens, "texts"_a, nb::kw_only(), "aggregation"_a = "auto",
             "ignored_labels"_a = std::vector<std::string>{"O"}, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "For each text its spans as (label, score, begin, end, text), and a report.");
  engine.def("fill_mask", &fill_mask, "texts"_a, nb::kw_only(), "top_k"_a = 5, "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "For each text its masks as (position, [(id, token, probability)]), and a report.");
  engine.def("token_logits", &token_logits, "texts"_a, nb::kw_only(), "max_length"_a = nb::none(),
             "on_overflow"_a = "truncate", "batch_tokens"_a = 0, "on_progress"_a = nb::none(),
             "For each text the ids of its tokens, their raw logits, and a report.");
  engine.def("token_logits_ids", &token_logits_ids, "input_ids"_a.noconvert(),
             "attention_mask"_a.noconvert() = nb::none(), "token_type_ids"_a.noconvert() = nb::none(), nb::kw_only(),
             "on_progress"_a = nb::none(), "token_logits() of rows of token ids.");
}

}  // namespace mlxe::python
