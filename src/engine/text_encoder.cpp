// Hidden states of micro-batches are pooled and finished; results go back to their places.
#include "engine/text_encoder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/call_checks.h"
#include "engine/id_inputs.h"
#include "mlxe/error.h"

namespace mlxe {

RunPlan TextEncoder::plan(const EmbedOptions& options) const {
  return make_plan(loaded_, run_options(options), loaded_.tokenizer.num_special_tokens());
}

std::vector<std::string> TextEncoder::prompts_of(std::size_t num_texts, const EmbedOptions& options) const {
  if (options.prompts.empty()) {
    return {choose_prompt(loaded_.settings, options)};
  }
  if (options.prompts.size() != num_texts) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("there are {} prompts for {} texts, wanted one for each",
                                                      options.prompts.size(), num_texts));
  }
  return options.prompts;
}

InputSource TextEncoder::inputs(std::span<const std::string_view> texts, std::span<const std::string> prompts,
                                const RunPlan& plan) const {
  return text_inputs(loaded_, texts, prompts, encode_options(loaded_, plan));
}

// A prompt is tokenised alone, as sentence-transformers does: its tokens, the special ones before it included, and
// without the one that closes a text.
std::vector<std::int32_t> TextEncoder::count_prompt_tokens(const std::vector<std::string>& prompts,
                                                           const RunPlan& plan) const {
  const bool has_prompt = std::ranges::any_of(prompts, [](const std::string& prompt) { return !prompt.empty(); });
  if (loaded_.pooling.include_prompt || !has_prompt) {
    return {};
  }
  const std::vector<std::string_view> views(prompts.begin(), prompts.end());
  const std::vector<std::int32_t> special = loaded_.tokenizer.special_ids();
  std::vector<std::int32_t> lengths;
  for (const Encoding& encoding : loaded_.tokenizer.encode(views, encode_options(loaded_, plan))) {
    const bool closed = !encoding.ids.empty() && std::ranges::find(special, encoding.ids.back()) != special.end();
    const bool empty = prompts[lengths.size()].empty();  // nothing to leave out, not even what opens the text
    lengths.push_back(empty ? 0 : static_cast<std::int32_t>(encoding.ids.size()) - (closed ? 1 : 0));
  }
  return lengths;
}

Tensor TextEncoder::finish(Ops& ops, const Tensor& pooled, int dim, Normalize normalize) const {
  Tensor x = pooled;
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

void TextEncoder::expect_vectors() const {
  if (loaded_.late) {
    throw Error(
        ErrorCode::kUnsupported,
        "the model gives one vector for each token (late interaction), none for a whole text; the command embed "
        "and Engine::multi_vector() give those");
  }
  expect_task(loaded_.task.task == Task::kEmbed, loaded_.info, "vectors want the task 'embed'");
}

Embeddings TextEncoder::run(const InputSource& source, const RunPlan& plan, const EmbedOptions& options,
                            std::span<const std::int32_t> prompt_lengths, const Consumer& also) const {
  const int dim = options.dimensions.value_or(loaded_.info.embedding_dim);
  if (dim < 1 || dim > loaded_.width) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("dimensions is {}, wanted 1 to {} (the model's width)", dim, loaded_.width));
  }
  const auto width = static_cast<std::size_t>(dim);
  // A text without tokens (a tokenizer without special ones) keeps its zeros.
  Embeddings out{.dim = dim, .values = std::vector<float>(source.count * width), .items = {}};
  out.items.resize(source.count);
  run_batches(loaded_, source, plan, [&](Ops& ops, MicroBatch& batch) {
    for (std::size_t row = 0; row < batch.num_rows() && !prompt_lengths.empty(); ++row) {
      batch.packed.prompt_lengths.push_back(prompt_lengths[prompt_lengths.size() == 1 ? 0 : batch.input_index(row)]);
    }
    const TokenChoice choice = also ? TokenChoice() : pooled_tokens(batch.packed, loaded_.pooling);
    const Tensor hidden = loaded_.model->forward(ops, batch.packed, choice);
    const Tensor pooled = choice ? hidden : pool(ops, hidden, batch.packed, loaded_.pooling);
    const Tensor vectors = finish(ops, pooled, dim, options.normalize);
    std::vector<float> values(batch.num_rows() * width);
    ops.read(vectors, values);
    if (also) {
      also(ops, hidden, batch);
    }
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::size_t index = batch.input_index(row);
      const std::span<const float> vector = std::span(values).subspan(row * width, width);
      check_finite(vector, index, source.noun);
      std::ranges::copy(vector, out.values.begin() + static_cast<std::ptrdiff_t>(index * width));
      out.items[index] = batch.report(row);
    }
  });
  return out;
}

Embeddings TextEncoder::run_texts(std::span<const std::string_view> texts, const EmbedOptions& options,
                                  const Consumer& also) const {
  const std::vector<std::string> prompts = prompts_of(texts.size(), options);
  const RunPlan run_plan = plan(options);
  const InputSource source = inputs(texts, prompts, run_plan);
  return run(source, run_plan, options, count_prompt_tokens(prompts, run_plan), also);
}

Embeddings TextEncoder::embed(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  expect_vectors();
  return run_texts(texts, options);
}

Embeddings TextEncoder::embed_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const {
  expect_vectors();
  check_no_prompt(options);
  return run(id_inputs(loaded_, rows), make_id_plan(loaded_, run_options(options)), options, {});
}

CombinedEmbeddings TextEncoder::embed_all(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  expect_vectors();
  const TokenHeads& heads = loaded_.token_heads;
  expect_token_heads(heads);
  const auto width = static_cast<std::size_t>(heads.colbert_dim);
  CombinedEmbeddings out;
  out.lexical.resize(heads.sparse ? texts.size() : 0);
  out.multi.resize(heads.colbert ? texts.size() : 0);
  out.dense = run_texts(texts, options, [&](Ops& ops, const Tensor& hidden, const MicroBatch& batch) {
    const std::size_t num_tokens = batch.packed.token_ids.size();
    std::vector<float> scores(heads.sparse ? num_tokens : 0);
    std::vector<float> vectors(num_tokens * width);
    if (heads.sparse) {
      ops.read(ops.linear(hidden, *heads.sparse, Activation::kNone), scores);
    }
    if (heads.colbert) {
      ops.read(ops.l2_normalize(ops.linear(hidden, *heads.colbert, Activation::kNone)), vectors);
    }
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::size_t index = batch.input_index(row);
      const std::vector<std::int32_t>& ids = batch.encoding(row).ids;
      const auto begin = static_cast<std::size_t>(batch.packed.offsets[row]);
      if (heads.sparse) {
        const std::span<const float> own = std::span(scores).subspan(begin, ids.size());
        check_finite(own, index);
        out.lexical[index] = lexical_weights(heads, ids, own);
        out.lexical[index].report = batch.report(row);
      }
      if (heads.colbert) {
        const std::span<const float> own = std::span(vectors).subspan((begin + 1) * width, (ids.size() - 1) * width);
        check_finite(own, index);
        out.multi[index] = {.dim = heads.colbert_dim,
                            .ids = {ids.begin() + 1, ids.end()},
                            .values = {own.begin(), own.end()},
                            .report = batch.report(row)};
      }
    }
  });
  return out;
}

std::vector<TokenEmbeddings> TextEncoder::run_tokens(const InputSource& source, const RunPlan& plan) const {
  const int dim = loaded_.info.hidden_size;
  const auto width = static_cast<std::size_t>(dim);
  std::vector<TokenEmbeddings> out(source.count, TokenEmbeddings{.dim = dim, .ids = {}, .values = {}, .report = {}});
  run_batches(loaded_, source, plan, [&](Ops& ops, MicroBatch& batch) {
    std::vector<float> values(batch.packed.token_ids.size() * width);
    ops.read(loaded_.model->forward(ops, batch.packed, {}), values);
    auto next = values.cbegin();
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const std::size_t index = batch.input_index(row);
      TokenEmbeddings& item = out[index];
      item.ids = batch.encoding(row).ids;
      const auto end = next + static_cast<std::ptrdiff_t>(item.ids.size() * width);
      item.values.assign(next, end);
      next = end;
      check_finite(item.values, index, source.noun);
      item.report = batch.report(row);
    }
  });
  return out;
}

std::vector<TokenEmbeddings> TextEncoder::token_embeddings(std::span<const std::string_view> texts,
                                                           const EmbedOptions& options) const {
  const std::vector<std::string> prompts = prompts_of(texts.size(), options);
  const RunPlan run_plan = plan(options);
  return run_tokens(inputs(texts, prompts, run_plan), run_plan);
}

std::vector<TokenEmbeddings> TextEncoder::token_embeddings_ids(std::span<const TokenRow> rows,
                                                               const EmbedOptions& options) const {
  check_no_prompt(options);
  return run_tokens(id_inputs(loaded_, rows), make_id_plan(loaded_, run_options(options)));
}

}  // namespace mlxe
