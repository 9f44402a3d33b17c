// Queries and documents are tokenised with their prefixes, filled up, run without padding, and lose what takes no part.
#include "engine/late_encoder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/batch_runner.h"
#include "engine/call_checks.h"
#include "engine/id_inputs.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

const LateInteraction& late_of(const LoadedModel& loaded) {
  if (!loaded.late) {
    throw Error(ErrorCode::kUnsupported,
                "the model gives one vector for a whole text, so multi_vector() has nothing to give; embed() has");
  }
  return *loaded.late;
}

bool holds(const std::vector<std::int32_t>& sorted, std::int32_t id) {
  return std::ranges::binary_search(sorted, id);
}

}  // namespace

LateEncoder::LateEncoder(const LoadedModel& loaded) : loaded_(loaded), late_(late_of(loaded)) {}

LateEncoder::Plan LateEncoder::plan_for(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  check_utf8(texts);
  Plan plan;
  plan.is_query = options.role == Role::kQuery || options.prompt_name == "query";
  plan.side = plan.is_query ? &late_.query : &late_.document;
  plan.front = plan.side->prefix;
  if (!options.prompts.empty()) {
    throw Error(ErrorCode::kInvalidInput, "a late-interaction model takes one prompt for all texts, not one for each");
  }
  // These two names choose the side, also where the folder has no such prompt.
  const bool names_side = options.prompt_name == "query" || options.prompt_name == "document";
  if (options.prompt) {
    plan.front += *options.prompt;
  } else if (options.prompt_name && !names_side) {
    plan.front += plan.side->without_prefix(choose_prompt(loaded_.settings, options));
  } else {
    plan.front += plan.side->prompt;
  }
  if (!is_valid_utf8(plan.front)) {
    throw Error(ErrorCode::kInvalidInput, "the prompt is not valid UTF-8");
  }
  const bool expands = plan.is_query && late_.expansion.has_value();
  RunOptions run = run_options(options);
  run.max_length = options.max_length.value_or(plan.side->limit.tokens);
  plan.run = make_plan(loaded_, run, loaded_.tokenizer.num_special_tokens() + (plan.side->prefix_id ? 1 : 0));
  plan.run.max_length_source = options.max_length ? plan.run.max_length_source : plan.side->limit.source;
  plan.fill_to = expands ? std::min(late_.expansion->length, plan.run.max_length) : 0;
  plan.dim = dimensions(options);
  return plan;
}

int LateEncoder::dimensions(const EmbedOptions& options) const {
  const int dim = options.dimensions.value_or(loaded_.info.embedding_dim);
  if (dim < 1 || dim > loaded_.width) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("dimensions is {}, wanted 1 to {} (the model's width)", dim, loaded_.width));
  }
  return dim;
}

std::vector<Encoding> LateEncoder::tokenize(std::span<const std::string_view> texts, const Plan& plan) const {
  std::vector<std::string> fronted;
  fronted.reserve(texts.size());
  for (const std::string_view text : texts) {
    fronted.push_back(plan.front);
    fronted.back() += text;
  }
  const int marks = plan.side->prefix_id ? 1 : 0;
  const std::vector<std::string_view> views(fronted.begin(), fronted.end());
  std::vector<Encoding> encodings =
      loaded_.tokenizer.encode(views, {.max_length = plan.run.max_length - marks, .threads = loaded_.info.threads});
  if (marks > 0) {
    for (Encoding& encoding : encodings) {
      const auto place =
          std::min<std::ptrdiff_t>(late_.opening_tokens, static_cast<std::ptrdiff_t>(encoding.ids.size()));
      encoding.ids.insert(encoding.ids.begin() + place, *plan.side->prefix_id);
      encoding.type_ids.insert(encoding.type_ids.begin() + place, 0);
      encoding.length_in_text += 1;
    }
  }
  return encodings;
}

Tensor LateEncoder::finish(Ops& ops, const Tensor& hidden, int dim, Normalize normalize) const {
  Tensor x = hidden;  // [tokens, hidden_size]
  for (const auto& step : loaded_.steps) {
    const auto* layer = std::get_if<DenseLayer>(&step);
    x = layer != nullptr ? dense(ops, x, *layer) : ops.l2_normalize(x);
  }
  if (dim < x.columns()) {
    x = ops.columns(x, 0, dim);
  }
  const bool normalized = normalize == Normalize::kAlways || (normalize == Normalize::kDeclared && late_.normalize);
  return normalized ? ops.l2_normalize(x) : x;
}

// Whether a token's vector takes part in scores.
bool LateEncoder::counts(std::int32_t id, const Plan& plan) const {
  if (holds(plan.side->skipped_ids, id)) {
    return false;
  }
  return plan.is_query || late_.keep_only_ids.empty() || holds(late_.keep_only_ids, id);
}

std::vector<MultiVector> LateEncoder::encode(std::span<const std::string_view> texts,
                                             const EmbedOptions& options) const {
  const Plan plan = plan_for(texts, options);
  const auto width = static_cast<std::size_t>(plan.dim);
  std::vector<MultiVector> out(texts.size(), MultiVector{.dim = plan.dim, .ids = {}, .values = {}, .report = {}});
  std::vector<std::size_t> own(texts.size());  // tokens before the filling
  const auto encode = [&](std::size_t first, std::size_t count) {
    std::vector<Encoding> encodings = tokenize(texts.subspan(first, count), plan);
    for (std::size_t index = 0; index < count; ++index) {
      Encoding& encoding = encodings[index];
      own[first + index] = encoding.ids.size();
      const std::size_t length = std::max(encoding.ids.size(), static_cast<std::size_t>(plan.fill_to));
      encoding.ids.resize(length, late_.expansion_id);
      encoding.type_ids.resize(length, 0);
    }
    return encodings;
  };
  const InputSource inputs = {.noun = "text",
                              .count = texts.size(),
                              .size_bytes = [&](std::size_t index) { return plan.front.size() + texts[index].size(); },
                              .encode = encode};
  run_batches(loaded_, inputs, plan.run, [&](Ops& ops, MicroBatch& batch) {
    for (std::size_t row = 0; row < batch.num_rows() && plan.fill_to > 0 && !late_.expansion->attend; ++row) {
      batch.packed.key_lengths.push_back(static_cast<std::int32_t>(own[batch.input_index(row)]));
    }
    std::vector<float> values(batch.packed.token_ids.size() * width);
    ops.read(finish(ops, loaded_.model->forward(ops, batch.packed, {}), plan.dim, options.normalize), values);
    auto next = values.cbegin();
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const Encoding& encoding = batch.encoding(row);
      const std::size_t index = batch.input_index(row);
      MultiVector& item = out[index];
      for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
        const auto end = next + plan.dim;
        if (counts(encoding.ids[token], plan)) {
          item.ids.push_back(encoding.ids[token]);
          item.values.insert(item.values.end(), next, end);
        }
        next = end;
      }
      check_finite(item.values, index);
      item.report = {.tokens = static_cast<int>(own[index]), .tokens_in_text = encoding.length_in_text};
    }
  });
  return out;
}

std::vector<MultiVector> LateEncoder::encode_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const {
  check_no_prompt(options);
  const int dim = dimensions(options);
  const auto width = static_cast<std::size_t>(dim);
  std::vector<MultiVector> out(rows.size(), MultiVector{.dim = dim, .ids = {}, .values = {}, .report = {}});
  const InputSource inputs = id_inputs(loaded_, rows);
  run_batches(loaded_, inputs, make_id_plan(loaded_, run_options(options)), [&](Ops& ops, MicroBatch& batch) {
    std::vector<float> values(batch.packed.token_ids.size() * width);
    ops.read(finish(ops, loaded_.model->forward(ops, batch.packed, {}), dim, options.normalize), values);
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::size_t index = batch.input_index(row);
      MultiVector& item = out[index];
      item.ids = batch.encoding(row).ids;
      const auto begin = static_cast<std::size_t>(batch.packed.offsets[row]) * width;
      const std::span<const float> own = std::span(values).subspan(begin, item.ids.size() * width);
      check_finite(own, index, inputs.noun);
      item.values.assign(own.begin(), own.end());
      item.report = batch.report(row);
    }
  });
  return out;
}

}  // namespace mlxe
