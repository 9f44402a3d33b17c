// Softmax at the masks; log1p(relu) joined over the tokens.
#include "engine/vocabulary_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/batch_runner.h"
#include "engine/call_checks.h"
#include "engine/logit_rows.h"
#include "engine/scores.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// The k most likely words, the likeliest first, of equal ones that of the smaller id.
std::vector<WordScore> best_words(const Tokenizer& tokenizer, std::span<const float> logits, std::size_t k) {
  std::vector<float> probabilities(logits.begin(), logits.end());
  apply_score_function(ScoreFunction::kSoftmax, probabilities);
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
  std::ranges::partial_sort(order, middle, [&](std::int32_t a, std::int32_t b) {
    const float left = logits[static_cast<std::size_t>(a)];
    const float right = logits[static_cast<std::size_t>(b)];
    return left > right || (left == right && a < b);
  });
  order.erase(middle, order.end());
  std::vector<WordScore> words;
  for (const std::int32_t id : order) {
    words.push_back({.id = id,
                     .token = tokenizer.id_to_token(id).value_or(""),
                     .score = probabilities[static_cast<std::size_t>(id)]});
  }
  return words;
}

// Joins the rows of one text after the other.
class SpladeJoiner {
 public:
  SpladeJoiner(const SpladeSpec& spec, std::size_t width) : spec_(spec), joined_(width) {}

  void add(std::span<const float> logits) {
    if (spec_.join == SpladeSpec::Join::kMax) {
      // The logarithms grow with x, so the largest logit is all that they are needed for.
      for (std::size_t i = 0; i < logits.size(); ++i) {
        joined_[i] = std::max(joined_[i], static_cast<double>(logits[i]));
      }
      return;
    }
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] > 0) {
        joined_[i] += weight(logits[i]);
      }
    }
  }

  /// The text's weights that are not 0; begins the next text.
  void finish(SparseVector& out) {
    for (std::size_t i = 0; i < joined_.size(); ++i) {
      const double value = spec_.join == SpladeSpec::Join::kMax ? weight(joined_[i]) : joined_[i];
      if (value > 0) {
        out.ids.push_back(static_cast<std::int32_t>(i));
        out.weights.push_back(static_cast<float>(value));
      }
    }
    std::ranges::fill(joined_, 0.0);
  }

 private:
  [[nodiscard]] double weight(double logit) const {
    const double once = std::log1p(logit);
    return spec_.log_twice ? std::log1p(once) : once;
  }

  SpladeSpec spec_;
  std::vector<double> joined_;
};

// Keeps the `count` largest weights, of equal ones that of the smaller id.
void keep_largest(SparseVector& vector, std::size_t count) {
  if (vector.ids.size() <= count) {
    return;
  }
  std::vector<std::size_t> order(vector.ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return vector.weights[i]; });
  order.resize(count);
  std::ranges::sort(order);
  SparseVector kept{.ids = {}, .weights = {}, .report = vector.report};
  for (const std::size_t i : order) {
    kept.ids.push_back(vector.ids[i]);
    kept.weights.push_back(vector.weights[i]);
  }
  vector = std::move(kept);
}

}  // namespace

std::vector<FilledText> fill_mask(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                  const FillMaskOptions& options) {
  expect_task(loaded.task.head.kind == HeadKind::kMaskedLm, loaded.info, "hidden words want the task 'fill-mask'");
  const std::string& mask = loaded.info.mask_token;
  const std::optional<std::int32_t> mask_id = mask.empty() ? std::nullopt : loaded.tokenizer.token_to_id(mask);
  if (!mask_id) {
    throw Error(ErrorCode::kUnsupported, "the tokenizer has no mask token, filling masks wants one");
  }
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  InputSource inputs = text_inputs(loaded, texts, {}, encode_options(loaded, plan));
  inputs.encode = [&, plain = inputs.encode](std::size_t first, std::size_t count) {
    std::vector<Encoding> encodings = plain(first, count);
    for (std::size_t index = 0; index < encodings.size(); ++index) {
      const Encoding& encoding = encodings[index];
      if (std::ranges::count(encoding.ids, *mask_id) == 0) {
        const bool cut = encoding.length_in_text > static_cast<int>(encoding.ids.size());
        throw Error(ErrorCode::kInvalidInput, "text", first + index,
                    fmt::format("has no '{}'{}, wanted one at least", mask,
                                cut ? fmt::format(" within its first {} tokens", encoding.ids.size()) : ""));
      }
    }
    return encodings;
  };
  std::vector<FilledText> out(texts.size());
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    std::vector<std::int32_t> masked;
    for (std::size_t token = 0; token < batch.packed.token_ids.size(); ++token) {
      if (batch.packed.token_ids[token] == *mask_id) {
        masked.push_back(static_cast<std::int32_t>(token));
      }
    }
    for_each_logit_row(loaded, ops, batch.packed, masked, [&](std::size_t token, std::span<const float> logits) {
      const std::size_t row = row_of_token(batch.packed, token);
      const std::size_t index = batch.input_index(row);
      check_finite(logits, index, inputs.noun);
      const auto position = static_cast<int>(token) - batch.packed.offsets[row];
      out[index].masks.push_back({.position = position, .words = best_words(loaded.tokenizer, logits, options.top_k)});
    });
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      out[batch.input_index(row)].report = batch.report(row);
    }
  });
  return out;
}

std::vector<SparseVector> sparse(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                 const SparseOptions& options) {
  expect_task(loaded.task.head.kind == HeadKind::kMaskedLm, loaded.info, "sparse vectors want the task 'sparse'");
  EmbedOptions naming;
  naming.role = options.role;
  naming.prompt_name = options.prompt_name;
  naming.prompt = options.prompt;
  const std::vector<std::string> prompts = {choose_prompt(loaded.settings, naming)};
  const RunPlan plan = make_plan(loaded, options, loaded.tokenizer.num_special_tokens());
  const InputSource inputs = text_inputs(loaded, texts, prompts, encode_options(loaded, plan));
  std::vector<SparseVector> out(texts.size());
  run_batches(loaded, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    SpladeJoiner joiner(loaded.splade, static_cast<std::size_t>(logits_width(loaded)));
    for_each_logit_row(loaded, ops, batch.packed, {}, [&](std::size_t token, std::span<const float> logits) {
      const std::size_t row = row_of_token(batch.packed, token);
      const std::size_t index = batch.input_index(row);
      check_finite(logits, index, inputs.noun);
      joiner.add(logits);
      if (static_cast<std::int32_t>(token) + 1 == batch.packed.offsets[row + 1]) {
        joiner.finish(out[index]);
        out[index].report = batch.report(row);
        keep_largest(out[index], options.max_active.value_or(out[index].ids.size()));
      }
    });
  });
  return out;
}

}  // namespace mlxe
