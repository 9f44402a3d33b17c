// The logits of whole sequences, their functions, and sorting by them.
#include "engine/sequence_scorer.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "engine/batch_runner.h"
#include "engine/call_checks.h"
#include "engine/id_inputs.h"
#include "engine/late_encoder.h"
#include "engine/listwise_scorer.h"
#include "engine/scores.h"
#include "mlxe/error.h"
#include "mlxe/similarity.h"

namespace mlxe {
namespace {

struct SequenceLogits {
  std::vector<float> values;  // [inputs, width]
  std::vector<ItemReport> items;
};

SequenceLogits run(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan, std::size_t width) {
  SequenceLogits out{.values = std::vector<float>(inputs.count * width), .items = {}};
  out.items.resize(inputs.count);
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    std::vector<float> values(batch.num_rows() * width);
    ops.read(forward_logits(*loaded.model, ops, batch.packed), values);
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::span<const float> scores = std::span(values).subspan(row * width, width);
      const std::size_t index = batch.input_index(row);
      check_finite(scores, index, inputs.noun);
      std::ranges::copy(scores, out.values.begin() + static_cast<std::ptrdiff_t>(index * width));
      out.items[index] = batch.report(row);
    }
  });
  for (std::size_t index = 0; index < inputs.count; ++index) {
    if (out.items[index].tokens == 0) {
      throw Error(ErrorCode::kInvalidInput, std::string(inputs.noun), index,
                  "has no tokens, a score wants one at least");
    }
  }
  return out;
}

Classifications to_classes(const LoadedModel& loaded, SequenceLogits logits, ScoreKind kind) {
  Classifications out{
      .labels = loaded.task.labels, .values = std::move(logits.values), .items = std::move(logits.items)};
  if (kind == ScoreKind::kDeclared) {
    for (std::size_t index = 0; index < out.items.size(); ++index) {
      apply_score_function(loaded.task.class_scores,
                           std::span(out.values).subspan(index * out.labels.size(), out.labels.size()));
    }
  }
  return out;
}

void expect_classifier(const LoadedModel& loaded) {
  expect_task(loaded.task.head.kind == HeadKind::kSequence, loaded.info, "labels of texts want the task 'classify'");
}

// The pairs as one text each, in the fixed prompt; only what stands between its ends is ever cut.
InputSource prompted_inputs(const LoadedModel& loaded, std::span<const TextPair> pairs, const std::string& instruction,
                            EncodeOptions options) {
  InputSource inputs = pair_inputs(loaded, pairs, options);
  inputs.size_bytes = [plain = inputs.size_bytes, &instruction](std::size_t index) {
    return instruction.size() + plain(index);
  };
  options.prefix_ids = loaded.prompt->prefix_ids;
  options.suffix_ids = loaded.prompt->suffix_ids;
  inputs.encode = [&loaded, pairs, instruction, options](std::size_t first, std::size_t count) {
    std::vector<std::string> contents;
    contents.reserve(count);
    for (const TextPair& pair : pairs.subspan(first, count)) {
      contents.push_back(yes_no_content(instruction, pair.first, pair.second));
    }
    const std::vector<std::string_view> views(contents.begin(), contents.end());
    return loaded.tokenizer.encode(views, options);
  };
  return inputs;
}

// logit[yes] - logit[no], or the one logit.
SequenceLogits run_yes_no(const LoadedModel& loaded, std::span<const TextPair> pairs, const RerankOptions& options) {
  const std::string instruction = options.instruction.value_or(loaded.prompt->instruction);
  if (!is_valid_utf8(instruction)) {
    throw Error(ErrorCode::kInvalidInput, "the instruction is not valid UTF-8");
  }
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens() + loaded.prompt->num_tokens());
  const InputSource inputs = prompted_inputs(loaded, pairs, instruction, encode_options(loaded, plan));
  const std::size_t width = loaded.task.head.token_ids.size();
  SequenceLogits logits = run(loaded, inputs, plan, width);
  if (width == 2) {
    for (std::size_t index = 0; index < pairs.size(); ++index) {
      logits.values[index] = logits.values[2 * index] - logits.values[2 * index + 1];
    }
    logits.values.resize(pairs.size());
  }
  return logits;
}

SequenceLogits run_cross_encoder(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                 const RerankOptions& options) {
  if (options.instruction) {
    throw Error(ErrorCode::kInvalidInput, "an instruction was given, this reranker takes none");
  }
  if (loaded.task.labels.size() != 1) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the model gives {} scores for a pair, reranking wants 1; classify "
                            "gives them all",
                            loaded.task.labels.size()));
  }
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens(Sequences::kPair));
  return run(loaded, pair_inputs(loaded, pairs, encode_options(loaded, plan)), plan, 1);
}

// A listwise reranker is asked about each pair by itself, with the progress of all of them.
PairScores score_single_documents(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                  const RerankOptions& options) {
  PairScores out;
  ProgressReporter progress(options.on_progress, pairs.size());
  RerankOptions single = options;
  single.on_progress = nullptr;
  for (std::size_t index = 0; index < pairs.size(); ++index) {
    check_utf8(std::array{pairs[index].first, pairs[index].second}, "text of a pair");
    const PairScores one = score_list(loaded, pairs[index].first, std::span(&pairs[index].second, 1), single);
    out.values.push_back(one.values.front());
    out.items.push_back(one.items.front());
    progress.advance(1, static_cast<std::size_t>(one.items.front().tokens));
  }
  return out;
}

// The best ones first; documents of equal score stay in their order.
void sort_ranked(std::vector<RankedDocument>& ranked, const RerankOptions& options) {
  std::ranges::stable_sort(ranked, std::ranges::greater{}, &RankedDocument::score);
  ranked.resize(std::min(ranked.size(), options.top_k.value_or(ranked.size())));
}

// The encoder knows texts; here one is the query and the others are documents.
template <class Work>
std::vector<MultiVector> named(const std::string& noun, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (!error.item()) {
      throw;
    }
    if (noun == "document") {
      throw Error(error.code(), noun, *error.item(), error.problem());
    }
    throw Error(error.code(), noun + " " + error.problem());
  }
}

// Late interaction: the scores are sums of cosines and go through no function.
std::vector<RankedDocument> rerank_late(const LoadedModel& loaded, std::string_view query,
                                        std::span<const std::string_view> documents, const RerankOptions& options) {
  if (options.instruction) {
    throw Error(ErrorCode::kInvalidInput, "an instruction was given, this reranker takes none");
  }
  EmbedOptions embed;
  embed.on_overflow = options.on_overflow;
  embed.batch_tokens = options.batch_tokens;
  embed.role = Role::kQuery;
  const LateEncoder encoder(loaded);
  const MultiVector asked = named("the query", [&] { return encoder.encode(std::span(&query, 1), embed); }).front();
  embed.role = Role::kDocument;
  embed.max_length = options.max_length;
  embed.on_progress = options.on_progress;
  const std::vector<MultiVector> vectors = named("document", [&] { return encoder.encode(documents, embed); });
  const int asked_tokens = std::min(asked.report.tokens, asked.report.tokens_in_text);  // without what fills it up
  std::vector<RankedDocument> ranked;
  ranked.reserve(vectors.size());
  for (std::size_t index = 0; index < vectors.size(); ++index) {
    const ItemReport& report = vectors[index].report;
    ranked.push_back({.index = index,
                      .score = maxsim(asked, vectors[index]),
                      .report = {.tokens = asked_tokens + report.tokens,
                                 .tokens_in_text = asked.report.tokens_in_text + report.tokens_in_text}});
  }
  sort_ranked(ranked, options);
  return ranked;
}

}  // namespace

Classifications classify(const LoadedModel& loaded, std::span<const std::string_view> texts,
                         const ClassifyOptions& options) {
  expect_classifier(loaded);
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  const InputSource inputs = text_inputs(loaded, texts, {}, encode_options(loaded, plan));
  return to_classes(loaded, run(loaded, inputs, plan, loaded.task.labels.size()), options.scores);
}

Classifications classify_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                               const ClassifyOptions& options) {
  expect_classifier(loaded);
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens(Sequences::kPair));
  const InputSource inputs = pair_inputs(loaded, pairs, encode_options(loaded, plan));
  return to_classes(loaded, run(loaded, inputs, plan, loaded.task.labels.size()), options.scores);
}

Classifications classify_ids(const LoadedModel& loaded, std::span<const TokenRow> rows,
                             const ClassifyOptions& options) {
  expect_classifier(loaded);
  const RunPlan plan = make_id_plan(loaded, options);
  return to_classes(loaded, run(loaded, id_inputs(loaded, rows), plan, loaded.task.labels.size()), options.scores);
}

PairScores score_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs, const RerankOptions& options) {
  const HeadKind kind = loaded.task.head.kind;
  if (kind == HeadKind::kMarkedTokens) {
    return score_single_documents(loaded, pairs, options);
  }
  expect_task(kind == HeadKind::kSequence || kind == HeadKind::kNextToken, loaded.info,
              "scores of pairs want the task 'rerank'");
  SequenceLogits logits =
      kind == HeadKind::kNextToken ? run_yes_no(loaded, pairs, options) : run_cross_encoder(loaded, pairs, options);
  PairScores out{.values = std::move(logits.values), .items = std::move(logits.items)};
  if (options.scores == ScoreKind::kDeclared) {
    for (float& value : out.values) {
      apply_score_function(loaded.task.pair_scores, std::span(&value, 1));
    }
  }
  return out;
}

std::vector<RankedDocument> rerank(const LoadedModel& loaded, std::string_view query,
                                   std::span<const std::string_view> documents, const RerankOptions& options) {
  if (!is_valid_utf8(query)) {
    throw Error(ErrorCode::kInvalidInput, "the query is not valid UTF-8");
  }
  check_utf8(documents, "document");
  if (loaded.late) {
    return rerank_late(loaded, query, documents, options);
  }
  std::vector<TextPair> pairs;
  pairs.reserve(documents.size());
  for (const std::string_view document : documents) {
    pairs.emplace_back(query, document);
  }
  // Sorted by raw scores: a sigmoid gives 1 to every score above 17.
  RerankOptions raw = options;
  raw.scores = ScoreKind::kRaw;
  const PairScores scores = loaded.task.head.kind == HeadKind::kMarkedTokens ? score_list(loaded, query, documents, raw)
                                                                             : score_pairs(loaded, pairs, raw);
  std::vector<RankedDocument> ranked;
  ranked.reserve(documents.size());
  for (std::size_t index = 0; index < documents.size(); ++index) {
    ranked.push_back({.index = index, .score = scores.values[index], .report = scores.items[index]});
  }
  sort_ranked(ranked, options);
  if (options.scores == ScoreKind::kDeclared) {
    for (RankedDocument& document : ranked) {
      apply_score_function(loaded.task.pair_scores, std::span(&document.score, 1));
    }
  }
  return ranked;
}

}  // namespace mlxe
