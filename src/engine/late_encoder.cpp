// Queries and documents are tokenised with their prefixes, filled up, run without padding, and lose what takes no part.
#include "engine/late_encoder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/call_checks.h"
#include "engine/scheduler.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kWindowTexts = 4096;  // bounds what is in memory beside the results
constexpr std::size_t kWindowBytes = 16U << 20U;

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

LateEncoder::Plan LateEncoder::make_plan(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  check_utf8(texts);
  Plan plan;
  // These two names choose the side also where the folder has no such prompt.
  const bool named = options.prompt_name && !loaded_.settings.prompts.contains(*options.prompt_name) &&
                     (*options.prompt_name == "query" || *options.prompt_name == "document");
  plan.is_query = options.role == Role::kQuery || options.prompt_name == "query";
  plan.side = plan.is_query ? &late_.query : &late_.document;
  plan.front = plan.side->prefix;
  if (!options.prompts.empty()) {
    throw Error(ErrorCode::kInvalidInput, "a late-interaction model takes one prompt for all texts, not one for each");
  }
  const bool chosen = options.prompt || (options.prompt_name && !named);
  plan.front += chosen ? choose_prompt(loaded_.settings, options) : plan.side->prompt;
  if (!is_valid_utf8(plan.front)) {
    throw Error(ErrorCode::kInvalidInput, "the prompt is not valid UTF-8");
  }
  const bool expands = plan.is_query && late_.expansion.has_value();
  plan.max_length = options.max_length.value_or(plan.side->max_length);
  const int smallest = loaded_.tokenizer.num_special_tokens() + 2;  // a prefix and one more
  if (plan.max_length < smallest || plan.max_length > loaded_.info.max_positions) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("max_length is {}, wanted {} (the special tokens and two more) to {} (the model's positions)",
                    plan.max_length, smallest, loaded_.info.max_positions));
  }
  plan.fill_to = expands ? std::min(late_.expansion->length, plan.max_length) : 0;
  plan.dim = options.dimensions.value_or(loaded_.info.embedding_dim);
  if (plan.dim < 1 || plan.dim > loaded_.width) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("dimensions is {}, wanted 1 to {} (the model's width)", plan.dim, loaded_.width));
  }
  plan.batch_tokens = options.batch_tokens > 0 ? options.batch_tokens : loaded_.backend->info().batch_tokens;
  return plan;
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
      loaded_.tokenizer.encode(views, {.max_length = plan.max_length - marks, .threads = loaded_.info.threads});
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

Tensor LateEncoder::finish(Ops& ops, const Tensor& hidden, const Plan& plan, Normalize normalize) const {
  Tensor x = hidden;  // [tokens, hidden_size]
  for (const auto& step : loaded_.steps) {
    const auto* layer = std::get_if<DenseLayer>(&step);
    x = layer != nullptr ? dense(ops, x, *layer) : ops.l2_normalize(x);
  }
  if (plan.dim < x.columns()) {
    x = ops.columns(x, 0, plan.dim);
  }
  const bool normalized = normalize == Normalize::kAlways || (normalize == Normalize::kDeclared && late_.normalize);
  return normalized ? ops.l2_normalize(x) : x;
}

// Whether a token's vector takes part in scores.
bool LateEncoder::counts(std::int32_t id, bool is_filling, const Plan& plan) const {
  if (holds(plan.side->skipped_ids, id)) {
    return false;
  }
  return plan.is_query || is_filling || late_.keep_only_ids.empty() || holds(late_.keep_only_ids, id);
}

std::vector<MultiVector> LateEncoder::encode(std::span<const std::string_view> texts,
                                             const EmbedOptions& options) const {
  const Plan plan = make_plan(texts, options);
  const auto width = static_cast<std::size_t>(plan.dim);
  std::vector<MultiVector> out(texts.size(), MultiVector{.dim = plan.dim, .ids = {}, .values = {}, .report = {}});
  ProgressReporter progress(options.on_progress, texts.size());

  for (std::size_t first = 0; first < texts.size();) {
    const std::size_t count = window_size(texts.subspan(first), kWindowTexts, kWindowBytes);
    std::vector<Encoding> encodings = tokenize(texts.subspan(first, count), plan);
    std::vector<std::size_t> own(count);  // tokens before the filling
    std::vector<std::size_t> lengths(count);
    for (std::size_t index = 0; index < count; ++index) {
      Encoding& encoding = encodings[index];
      own[index] = encoding.ids.size();
      if (options.on_overflow == Overflow::kError && encoding.length_in_text > plan.max_length) {
        throw Error(ErrorCode::kTooLong, fmt::format("text {} has {} tokens with special ones, the limit is {}",
                                                     first + index, encoding.length_in_text, plan.max_length));
      }
      lengths[index] = std::max(own[index], static_cast<std::size_t>(plan.fill_to));
      encoding.ids.resize(lengths[index], late_.expansion_id);
      encoding.type_ids.resize(lengths[index], 0);
    }
    const std::vector<std::vector<std::size_t>> groups =
        schedule(lengths, plan.batch_tokens, static_cast<std::size_t>(loaded_.info.threads));
    loaded_.backend->run(groups.size(), [&](Ops& ops, std::size_t group) {
      const std::vector<std::size_t>& indices = groups[group];
      PackedBatch batch = pack(encodings, indices);
      if (plan.fill_to > 0 && !late_.expansion->attend) {
        for (const std::size_t index : indices) {
          batch.key_lengths.push_back(static_cast<std::int32_t>(own[index]));
        }
      }
      std::vector<float> values(batch.token_ids.size() * width);
      ops.read(finish(ops, loaded_.model->forward(ops, batch), plan, options.normalize), values);
      auto next = values.cbegin();
      for (const std::size_t index : indices) {
        const Encoding& encoding = encodings[index];
        MultiVector& item = out[first + index];
        for (std::size_t token = 0; token < encoding.ids.size(); ++token) {
          const auto end = next + plan.dim;
          if (counts(encoding.ids[token], token >= own[index], plan)) {
            item.ids.push_back(encoding.ids[token]);
            item.values.insert(item.values.end(), next, end);
          }
          next = end;
        }
        check_finite(item.values, first + index);
        item.report = {.tokens = static_cast<int>(own[index]), .tokens_in_text = encoding.length_in_text};
      }
      progress.advance(indices.size(), batch.token_ids.size());
    });
    first += count;
  }
  progress.finish();
  return out;
}

}  // namespace mlxe
