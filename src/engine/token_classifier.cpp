// Logits of tokens, with the places of the tokens in their texts.
#include "engine/token_classifier.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/batch_runner.h"
#include "engine/call_checks.h"
#include "engine/id_inputs.h"
#include "engine/label_runs.h"
#include "engine/logit_rows.h"
#include "engine/scores.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// The probabilities of a text's own tokens, and where those stand in the text (bytes).
struct OwnTokens {
  std::vector<float> probabilities;  // [tokens, labels]
  std::vector<TokenOffsets> offsets;
};

OwnTokens own_tokens(const Encoding& encoding, std::span<const float> logits, std::size_t num_labels) {
  OwnTokens own;
  for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
    if (encoding.special_tokens_mask[token] == 0) {
      const std::span<const float> row = logits.subspan(token * num_labels, num_labels);
      own.probabilities.insert(own.probabilities.end(), row.begin(), row.end());
      apply_score_function(ScoreFunction::kSoftmax, std::span(own.probabilities).last(num_labels));
      own.offsets.push_back(encoding.offsets[token]);
    }
  }
  return own;
}

std::vector<LabelledSpan> to_spans(std::string_view text, const OwnTokens& own, std::span<const LabelRun> runs,
                                   const std::vector<std::string>& ignored) {
  const std::vector<TokenOffsets> characters = offsets_in_characters(text, own.offsets);
  std::vector<LabelledSpan> spans;
  for (const LabelRun& run : runs) {
    if (std::ranges::find(ignored, run.label) != ignored.end()) {
      continue;
    }
    const auto [begin, end] = whole_characters(text, {own.offsets[run.first].first, own.offsets[run.last].second});
    spans.push_back(
        {.label = run.label,
         .score = run.score,
         .begin = characters[run.first].first,
         .end = characters[run.last].second,
         .text = std::string(text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)))});
  }
  return spans;
}

TokenizedText to_tokenized(const Tokenizer& tokenizer, const Encoding& encoding) {
  TokenizedText out{
      .ids = encoding.ids,
      .tokens = {},
      .offsets = {encoding.offsets.begin(), encoding.offsets.end()},
      .special = encoding.special_tokens_mask,
      .type_ids = encoding.type_ids,
      .report = {.tokens = static_cast<int>(encoding.ids.size()), .tokens_in_text = encoding.length_in_text}};
  for (const std::int32_t id : out.ids) {
    out.tokens.push_back(tokenizer.id_to_token(id).value_or(""));
  }
  return out;
}

EncodeOptions tokenize_options(const LoadedModel& loaded, const RunPlan& plan, const TokenizeOptions& wanted = {}) {
  EncodeOptions options = encode_options(loaded, plan);
  options.max_length = wanted.truncate ? options.max_length : 0;
  options.add_special_tokens = wanted.add_special_tokens;
  options.with_offsets = true;
  options.with_special_tokens_mask = true;
  return options;
}

// What run_windows() gives, in the order of the inputs.
std::vector<TokenizedText> tokenize_all(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan) {
  std::vector<TokenizedText> out;
  run_windows(loaded, inputs, plan, [&](const Window& window) {
    for (const Encoding& encoding : window.encodings) {
      out.push_back(to_tokenized(loaded.tokenizer, encoding));
    }
  });
  return out;
}

void expect_token_logits(const LoadedModel& loaded) {
  const HeadKind kind = loaded.task.head.kind;
  expect_task(kind == HeadKind::kToken || kind == HeadKind::kMaskedLm, loaded.info,
              "logits of tokens want the task 'classify-tokens', 'fill-mask' or 'sparse'");
}

std::vector<TokenEmbeddings> run_token_logits(const LoadedModel& loaded, const InputSource& inputs,
                                              const RunPlan& plan) {
  const int width = logits_width(loaded);
  std::vector<TokenEmbeddings> out(inputs.count, TokenEmbeddings{.dim = width, .ids = {}, .values = {}, .report = {}});
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      TokenEmbeddings& item = out[batch.input_index(row)];
      item.ids = batch.encoding(row).ids;
      item.values.reserve(item.ids.size() * static_cast<std::size_t>(width));
      item.report = batch.report(row);
    }
    for_each_logit_row(loaded, ops, batch.packed, {}, [&](std::size_t token, std::span<const float> logits) {
      const std::size_t index = batch.input_index(row_of_token(batch.packed, token));
      check_finite(logits, index, inputs.noun);
      out[index].values.insert(out[index].values.end(), logits.begin(), logits.end());
    });
  });
  return out;
}

}  // namespace

std::vector<LabelledText> classify_tokens(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                          const TokenClassifyOptions& options) {
  expect_task(loaded.task.head.kind == HeadKind::kToken, loaded.info,
              "labels of tokens want the task 'classify-tokens'");
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  const InputSource inputs = text_inputs(loaded, texts, {}, tokenize_options(loaded, plan));
  const std::size_t num_labels = loaded.task.labels.size();
  std::vector<LabelledText> out(texts.size());
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    std::vector<float> values(batch.packed.token_ids.size() * num_labels);
    ops.read(forward_logits(*loaded.model, ops, batch.packed), values);
    std::span<const float> rest = values;
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const Encoding& encoding = batch.encoding(row);
      const std::size_t index = batch.input_index(row);
      const std::span<const float> logits = rest.first(encoding.ids.size() * num_labels);
      rest = rest.subspan(logits.size());
      check_finite(logits, index, inputs.noun);
      const OwnTokens own = own_tokens(encoding, logits, num_labels);
      const std::vector<LabelRun> runs = label_runs(loaded.task.labels, own.probabilities, options.aggregation);
      out[index] = {.spans = to_spans(texts[index], own, runs, options.ignored_labels), .report = batch.report(row)};
    }
  });
  return out;
}

std::vector<TokenEmbeddings> token_logits(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                          const RunOptions& options) {
  expect_token_logits(loaded);
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  return run_token_logits(loaded, text_inputs(loaded, texts, {}, encode_options(loaded, plan)), plan);
}

std::vector<TokenEmbeddings> token_logits_ids(const LoadedModel& loaded, std::span<const TokenRow> rows,
                                              const RunOptions& options) {
  expect_token_logits(loaded);
  return run_token_logits(loaded, id_inputs(loaded, rows), make_id_plan(loaded, options));
}

std::vector<TokenizedText> tokenize(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                    const TokenizeOptions& options) {
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  InputSource inputs = text_inputs(loaded, texts, {}, tokenize_options(loaded, plan, options));
  inputs.encode = [texts, plain = inputs.encode](std::size_t first, std::size_t count) {
    std::vector<Encoding> encodings = plain(first, count);
    for (std::size_t index = 0; index < encodings.size(); ++index) {
      encodings[index].offsets = offsets_in_characters(texts[first + index], encodings[index].offsets);
    }
    return encodings;
  };
  return tokenize_all(loaded, inputs, plan);
}

std::vector<TokenizedText> tokenize_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                          const TokenizeOptions& options) {
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens(Sequences::kPair));
  EncodeOptions encode = tokenize_options(loaded, plan, options);
  encode.with_offsets = false;
  return tokenize_all(loaded, pair_inputs(loaded, pairs, encode), plan);
}

}  // namespace mlxe
