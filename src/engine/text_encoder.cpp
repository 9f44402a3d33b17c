// Windows of texts are tokenised, scheduled into micro-batches and run; results go back to their places.
#include "engine/text_encoder.h"

#include <algorithm>
#include <utility>

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

}  // namespace

TextEncoder::Plan TextEncoder::make_plan(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  check_utf8(texts);
  const ModelInfo& info = loaded_.info;
  if (!options.prompts.empty() && options.prompts.size() != texts.size()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("there are {} prompts for {} texts, wanted one for each",
                                                      options.prompts.size(), texts.size()));
  }
  Plan plan{
      .prompts = options.prompts.empty() ? std::vector{choose_prompt(loaded_.settings, options)} : options.prompts,
      .prompt_lengths = {},
      .max_length = options.max_length.value_or(info.max_length),
      .max_length_source = options.max_length ? "max_length" : info.max_length_source,
      .batch_tokens = options.batch_tokens > 0 ? options.batch_tokens : loaded_.backend->info().batch_tokens,
      .on_overflow = options.on_overflow};
  for (const std::string& prompt : plan.prompts) {
    if (!is_valid_utf8(prompt)) {
      throw Error(ErrorCode::kInvalidInput, "the prompt is not valid UTF-8");
    }
  }
  const int smallest = loaded_.tokenizer.num_special_tokens() + 1;
  if (plan.max_length < smallest || plan.max_length > info.max_positions) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("max_length is {}, wanted {} (the special tokens and one more) to {} (the model's positions)",
                    plan.max_length, smallest, info.max_positions));
  }
  const bool has_prompt = std::ranges::any_of(plan.prompts, [](const std::string& prompt) { return !prompt.empty(); });
  if (!loaded_.pooling.include_prompt && has_prompt) {
    plan.prompt_lengths = count_prompt_tokens(plan);
  }
  return plan;
}

// A prompt is tokenised alone, as sentence-transformers does: its tokens, the special ones before it included, and
// without the one that closes a text.
std::vector<std::int32_t> TextEncoder::count_prompt_tokens(const Plan& plan) const {
  const std::vector<std::string_view> prompts(plan.prompts.begin(), plan.prompts.end());
  const std::vector<std::int32_t> special = loaded_.tokenizer.special_ids();
  std::vector<std::int32_t> lengths;
  for (const Encoding& encoding :
       loaded_.tokenizer.encode(prompts, {.max_length = plan.max_length, .threads = loaded_.info.threads})) {
    const bool closed = !encoding.ids.empty() && std::ranges::find(special, encoding.ids.back()) != special.end();
    const bool empty = plan.prompts[lengths.size()].empty();  // nothing to leave out, not even what opens the text
    lengths.push_back(empty ? 0 : static_cast<std::int32_t>(encoding.ids.size()) - (closed ? 1 : 0));
  }
  return lengths;
}

TextEncoder::Window TextEncoder::tokenize(std::span<const std::string_view> texts, std::size_t first, std::size_t count,
                                          const Plan& plan) const {
  const EncodeOptions options{.max_length = plan.max_length, .threads = loaded_.info.threads};
  const std::span<const std::string_view> chosen = texts.subspan(first, count);
  const bool shared = plan.prompts.size() == 1;
  if (shared && plan.prompts.front().empty()) {
    return {.first = first, .encodings = loaded_.tokenizer.encode(chosen, options)};
  }
  std::vector<std::string> prompted;
  prompted.reserve(count);
  for (const std::string_view text : chosen) {
    prompted.push_back(plan.prompts[shared ? 0 : first + prompted.size()]);
    prompted.back() += text;
  }
  const std::vector<std::string_view> views(prompted.begin(), prompted.end());
  return {.first = first, .encodings = loaded_.tokenizer.encode(views, options)};
}

void TextEncoder::check_window(const Window& window, const Plan& plan) const {
  const ModelTraits& traits = loaded_.model->traits();
  for (std::size_t index = 0; index < window.encodings.size(); ++index) {
    const Encoding& encoding = window.encodings[index];
    if (plan.on_overflow == Overflow::kError && encoding.length_in_text > plan.max_length) {
      throw Error(ErrorCode::kTooLong,
                  fmt::format("text {} has {} tokens with special ones, the limit is {} (from {})",
                              window.first + index, encoding.length_in_text, plan.max_length, plan.max_length_source));
    }
    const auto largest_type = std::ranges::max_element(encoding.type_ids);
    if (traits.num_token_types > 0 && largest_type != encoding.type_ids.end() &&
        *largest_type >= traits.num_token_types) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("tokenizer.json gives token type {}, the model has {} types",
                                                        *largest_type, traits.num_token_types));
    }
  }
}

template <typename Consume>
void TextEncoder::for_each_batch(std::span<const std::string_view> texts, const Plan& plan,
                                 const Consume& consume) const {
  for (std::size_t first = 0; first < texts.size();) {
    const std::size_t count = window_size(texts.subspan(first), kWindowTexts, kWindowBytes);
    const Window window = tokenize(texts, first, count, plan);
    check_window(window, plan);

    std::vector<std::size_t> lengths(count);
    std::ranges::transform(window.encodings, lengths.begin(),
                           [](const Encoding& encoding) { return encoding.ids.size(); });
    const std::vector<std::vector<std::size_t>> groups =
        schedule(lengths, plan.batch_tokens, static_cast<std::size_t>(loaded_.info.threads));
    const auto work = [&](Ops& ops, std::size_t group) {
      PackedBatch batch = pack(window.encodings, groups[group]);
      for (const std::size_t index : groups[group]) {
        if (!plan.prompt_lengths.empty()) {
          batch.prompt_lengths.push_back(plan.prompt_lengths[plan.prompts.size() == 1 ? 0 : window.first + index]);
        }
      }
      consume(ops, batch, window, groups[group]);
    };
    std::vector<double> costs(groups.size());
    std::ranges::transform(groups, costs.begin(), [&](const std::vector<std::size_t>& group) {
      return group_cost(lengths, group, loaded_.info.hidden_size);
    });
    // Long texts first, each with all workers on it; then the rest, a worker on each.
    const std::size_t shared = num_shared_groups(costs, static_cast<std::size_t>(loaded_.info.threads));
    for (std::size_t group = 0; group < shared; ++group) {
      loaded_.backend->run(1, [&](Ops& ops, std::size_t /*task*/) { work(ops, group); });
    }
    loaded_.backend->run(groups.size() - shared, [&](Ops& ops, std::size_t task) { work(ops, shared + task); });
    first += count;
  }
}

Tensor TextEncoder::finish(Ops& ops, const Tensor& hidden, const PackedBatch& batch, int dim,
                           Normalize normalize) const {
  Tensor x = pool(ops, hidden, batch, loaded_.pooling);  // [rows, hidden_size * modes]
  for (const auto& step : loaded_.steps) {
    const auto* layer = std::get_if<DenseLayer>(&step);
    x = layer != nullptr ? dense(ops, x, *layer) : ops.l2_normalize(x);
  }
  if (dim < x.columns()) {
    x = ops.columns(x, 0, dim);
  }
  const bool normalized =
      normalize == Normalize::kAlways || (normalize == Normalize::kDeclared && loaded_.info.normalize_declared);
  return normalized ? ops.l2_normalize(x) : x;
}

Embeddings TextEncoder::embed(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  if (loaded_.late) {
    throw Error(
        ErrorCode::kUnsupported,
        "the model gives one vector for each token (late interaction), none for a whole text: multi_vector() has them");
  }
  const Plan plan = make_plan(texts, options);
  const int dim = options.dimensions.value_or(loaded_.info.embedding_dim);
  if (dim < 1 || dim > loaded_.width) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("dimensions is {}, wanted 1 to {} (the model's width)", dim, loaded_.width));
  }
  const auto width = static_cast<std::size_t>(dim);
  // A text without tokens (a tokenizer without special ones) keeps its zeros.
  Embeddings out{.dim = dim, .values = std::vector<float>(texts.size() * width), .items = {}};
  out.items.resize(texts.size());
  ProgressReporter progress(options.on_progress, texts.size());

  for_each_batch(
      texts, plan, [&](Ops& ops, const PackedBatch& batch, const Window& window, std::span<const std::size_t> indices) {
        const Tensor vectors = finish(ops, loaded_.model->forward(ops, batch), batch, dim, options.normalize);
        std::vector<float> values(indices.size() * width);
        ops.read(vectors, values);
        for (std::size_t row = 0; row < indices.size(); ++row) {
          const Encoding& encoding = window.encodings[indices[row]];
          const std::size_t index = window.first + indices[row];
          const std::span<const float> vector = std::span(values).subspan(row * width, width);
          check_finite(vector, index);
          std::ranges::copy(vector, out.values.begin() + static_cast<std::ptrdiff_t>(index * width));
          out.items[index] = {.tokens = static_cast<int>(encoding.ids.size()),
                              .tokens_in_text = encoding.length_in_text};
        }
        progress.advance(indices.size(), batch.token_ids.size());
      });
  progress.finish();
  return out;
}

std::vector<TokenEmbeddings> TextEncoder::token_embeddings(std::span<const std::string_view> texts,
                                                           const EmbedOptions& options) const {
  const Plan plan = make_plan(texts, options);
  const int dim = loaded_.info.hidden_size;
  const auto width = static_cast<std::size_t>(dim);
  std::vector<TokenEmbeddings> out(texts.size(), TokenEmbeddings{.dim = dim, .ids = {}, .values = {}, .report = {}});
  ProgressReporter progress(options.on_progress, texts.size());

  for_each_batch(
      texts, plan, [&](Ops& ops, const PackedBatch& batch, const Window& window, std::span<const std::size_t> indices) {
        std::vector<float> values(batch.token_ids.size() * width);
        ops.read(loaded_.model->forward(ops, batch), values);
        auto next = values.cbegin();
        for (const std::size_t window_index : indices) {
          const Encoding& encoding = window.encodings[window_index];
          const std::size_t index = window.first + window_index;
          TokenEmbeddings& item = out[index];
          item.ids = encoding.ids;
          const auto end = next + static_cast<std::ptrdiff_t>(encoding.ids.size() * width);
          item.values.assign(next, end);
          next = end;
          check_finite(item.values, index);
          item.report = {.tokens = static_cast<int>(encoding.ids.size()), .tokens_in_text = encoding.length_in_text};
        }
        progress.advance(indices.size(), batch.token_ids.size());
      });
  progress.finish();
  return out;
}

}  // namespace mlxe
