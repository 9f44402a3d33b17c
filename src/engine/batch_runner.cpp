// Windows and their schedules.
#include "engine/batch_runner.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/utf8.h"
#include "engine/call_checks.h"
#include "engine/scheduler.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// A window bounds what is in memory beside the results: token ids of all its texts. Large enough that its last, uneven
// micro-batches cost nothing.
constexpr std::size_t kWindowTexts = 16384;
constexpr std::size_t kWindowBytes = 16U << 20U;

// A window's texts are tokenised in slices of so many bytes for each thread, and between them the caller may stop the
// call: where the tokenizer is slow (1 MB a second and thread), a window takes many seconds and a slice a tenth of one.
constexpr std::size_t kSliceBytes = 128U << 10U;

void check_window(const LoadedModel& loaded, const InputSource& inputs, const Window& window, const RunPlan& plan) {
  const ModelTraits& traits = loaded.model->traits();
  for (std::size_t index = 0; index < window.encodings.size(); ++index) {
    const Encoding& encoding = window.encodings[index];
    if (plan.on_overflow == Overflow::kError && encoding.length_in_text > plan.max_length) {
      throw Error(ErrorCode::kTooLong, std::string(inputs.noun), window.first + index,
                  fmt::format("has {} tokens with special ones, the limit is {} (from {})", encoding.length_in_text,
                              plan.max_length, plan.max_length_source));
    }
    const auto largest_type = std::ranges::max_element(encoding.type_ids);
    if (traits.num_token_types > 0 && largest_type != encoding.type_ids.end() &&
        *largest_type >= traits.num_token_types) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("tokenizer.json gives token type {}, the model has {} types",
                                                        *largest_type, traits.num_token_types));
    }
  }
}

std::vector<Encoding> encode_window(const InputSource& inputs, std::size_t first, std::size_t count,
                                    std::size_t slice_bytes, ProgressReporter& progress) {
  std::vector<Encoding> encodings;
  encodings.reserve(count);
  while (encodings.size() < count) {
    const std::size_t begin = first + encodings.size();
    const std::size_t slice = window_size(first + count - begin, count, slice_bytes,
                                          [&](std::size_t index) { return inputs.size_bytes(begin + index); });
    std::ranges::move(inputs.encode(begin, slice), std::back_inserter(encodings));
    if (encodings.size() < count) {
      progress.advance(0, 0);
    }
  }
  return encodings;
}

void for_each_window(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                     ProgressReporter& progress, const std::function<void(const Window&)>& consume) {
  const std::size_t slice_bytes = kSliceBytes * static_cast<std::size_t>(loaded.info.threads);
  for (std::size_t first = 0; first < inputs.count;) {
    const std::size_t count = window_size(inputs.count - first, kWindowTexts, kWindowBytes,
                                          [&](std::size_t index) { return inputs.size_bytes(first + index); });
    Window window{.first = first, .encodings = encode_window(inputs, first, count, slice_bytes, progress)};
    // A table of one row knows no types: such tokenizers do not hand theirs on (XLM-R's pairs).
    if (!inputs.has_own_types && (!loaded.settings.token_types || loaded.model->traits().num_token_types == 1)) {
      for (Encoding& encoding : window.encodings) {
        std::ranges::fill(encoding.type_ids, 0);
      }
    }
    check_window(loaded, inputs, window, plan);
    consume(window);
    first += count;
  }
}

std::size_t num_tokens(const Window& window) {
  std::size_t count = 0;
  for (const Encoding& encoding : window.encodings) {
    count += encoding.ids.size();
  }
  return count;
}

void run_window(const LoadedModel& loaded, const Window& window, const RunPlan& plan, ProgressReporter& progress,
                const std::function<void(Ops&, MicroBatch&)>& consume) {
  const auto workers = static_cast<std::size_t>(loaded.info.threads);
  std::vector<std::size_t> lengths(window.encodings.size());
  std::ranges::transform(window.encodings, lengths.begin(),
                         [](const Encoding& encoding) { return encoding.ids.size(); });
  const std::vector<std::vector<std::size_t>> groups = schedule(lengths, plan.batch_tokens, workers);
  const std::size_t usual_tokens = loaded.backend->info().batch_tokens;
  const auto work = [&](Ops& ops, std::size_t group) {
    MicroBatch batch{.packed = pack(window.encodings, groups[group]), .window = &window, .indices = groups[group]};
    if (plan.on_progress && batch.packed.token_ids.size() > usual_tokens) {  // a long text may take minutes
      ops.set_checkpoint([&progress] { progress.advance(0, 0); });
    }
    consume(ops, batch);
    progress.advance(batch.num_rows(), batch.packed.token_ids.size());
  };
  std::vector<double> costs(groups.size());
  std::ranges::transform(groups, costs.begin(), [&](const std::vector<std::size_t>& group) {
    return group_cost(lengths, group, loaded.info.hidden_size);
  });
  // Long texts first, each with all workers on it; then the rest, a worker on each.
  const std::size_t shared = num_shared_groups(costs, workers);
  for (std::size_t group = 0; group < shared; ++group) {
    loaded.backend->run(1, [&](Ops& ops, std::size_t /*task*/) { work(ops, group); });
  }
  loaded.backend->run(groups.size() - shared, [&](Ops& ops, std::size_t task) { work(ops, shared + task); });
}

}  // namespace

ItemReport MicroBatch::report(std::size_t row) const {
  return {.tokens = static_cast<int>(encoding(row).ids.size()), .tokens_in_text = encoding(row).length_in_text};
}

RunPlan make_plan(const LoadedModel& loaded, const RunOptions& options, int fixed_tokens) {
  const ModelInfo& info = loaded.info;
  RunPlan plan{.max_length = options.max_length.value_or(info.max_length),
               .max_length_source = options.max_length ? "max_length" : info.max_length_source,
               .batch_tokens = options.batch_tokens > 0 ? options.batch_tokens : loaded.backend->info().batch_tokens,
               .on_overflow = options.on_overflow,
               .on_progress = options.on_progress};
  const int smallest = fixed_tokens + 1;
  if (plan.max_length < smallest || plan.max_length > info.max_positions) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("max_length is {}, wanted {} (the special tokens and one more) to {} (the model's positions)",
                    plan.max_length, smallest, info.max_positions));
  }
  return plan;
}

RunOptions run_options(const EmbedOptions& options) {
  return {.max_length = options.max_length,
          .on_overflow = options.on_overflow,
          .batch_tokens = options.batch_tokens,
          .on_progress = options.on_progress};
}

EncodeOptions encode_options(const LoadedModel& loaded, const RunPlan& plan) {
  return {.max_length = plan.max_length, .threads = loaded.info.threads};
}

void run_windows(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                 const std::function<void(const Window&)>& consume) {
  ProgressReporter progress(plan.on_progress, inputs.count);
  for_each_window(loaded, inputs, plan, progress, [&](const Window& window) {
    consume(window);
    progress.advance(window.encodings.size(), num_tokens(window));
  });
}

void run_batches(const LoadedModel& loaded, const InputSource& inputs, const RunPlan& plan,
                 const std::function<void(Ops&, MicroBatch&)>& consume) {
  ProgressReporter progress(plan.on_progress, inputs.count);
  for_each_window(loaded, inputs, plan, progress,
                  [&](const Window& window) { run_window(loaded, window, plan, progress, consume); });
  progress.finish();
}

InputSource text_inputs(const LoadedModel& loaded, std::span<const std::string_view> texts,
                        std::span<const std::string> prompts, const EncodeOptions& options) {
  check_utf8(texts);
  for (const std::string& prompt : prompts) {
    if (!is_valid_utf8(prompt)) {
      throw Error(ErrorCode::kInvalidInput, "the prompt is not valid UTF-8");
    }
  }
  const auto encode = [&loaded, texts, prompts, options](std::size_t first, std::size_t count) {
    const std::span<const std::string_view> chosen = texts.subspan(first, count);
    const bool shared = prompts.size() == 1;
    if (prompts.empty() || (shared && prompts.front().empty())) {
      return loaded.tokenizer.encode(chosen, options);
    }
    std::vector<std::string> prompted;
    prompted.reserve(count);
    for (const std::string_view text : chosen) {
      prompted.push_back(prompts[shared ? 0 : first + prompted.size()]);
      prompted.back() += text;
    }
    const std::vector<std::string_view> views(prompted.begin(), prompted.end());
    return loaded.tokenizer.encode(views, options);
  };
  return {.noun = "text",
          .count = texts.size(),
          .size_bytes =
              [texts, prompts](std::size_t index) {
                const std::size_t of_prompt = prompts.empty() ? 0 : prompts[prompts.size() == 1 ? 0 : index].size();
                return of_prompt + texts[index].size();
              },
          .encode = encode};
}

InputSource pair_inputs(const LoadedModel& loaded, std::span<const TextPair> pairs, const EncodeOptions& options) {
  for (std::size_t index = 0; index < pairs.size(); ++index) {
    if (!is_valid_utf8(pairs[index].first) || !is_valid_utf8(pairs[index].second)) {
      throw Error(ErrorCode::kInvalidInput, "pair", index, "is not valid UTF-8");
    }
  }
  return {.noun = "pair",
          .count = pairs.size(),
          .size_bytes = [pairs](std::size_t index) { return pairs[index].first.size() + pairs[index].second.size(); },
          .encode =
              [&loaded, pairs, options](std::size_t first, std::size_t count) {
                return loaded.tokenizer.encode_pairs(pairs.subspan(first, count), options);
              }};
}

}  // namespace mlxe
