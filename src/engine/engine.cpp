// Engine: finds the model, makes its backend and hands the work on.
#include "mlxe/engine.h"

#include <new>
#include <utility>

#include <fmt/format.h>

#include "engine/late_encoder.h"
#include "engine/loader.h"
#include "engine/make_backend.h"
#include "engine/sequence_scorer.h"
#include "engine/text_encoder.h"
#include "engine/token_classifier.h"
#include "engine/vocabulary_scores.h"
#include "hub/resolve.h"
#include "models/architecture.h"

namespace mlxe {
namespace {

// What the standard library throws when memory runs out becomes one of our errors.
template <typename Work>
auto with_memory_errors(const char* what, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("not enough memory to {}", what));
  } catch (const std::length_error&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("not enough memory to {}", what));
  }
}

}  // namespace

struct Engine::Impl {
  TextEncoder encoder;
};

Engine Engine::load(const std::string& model, const LoadOptions& options) {
  return with_memory_errors("load the model", [&] {
    if (options.on_step) {
      options.on_step(fmt::format("download: looking for '{}'", model));
    }
    const std::filesystem::path folder = resolve_model(model, options.hub);
    LoadedModel loaded = load_model(folder, options, make_backend(options));
    return Engine(std::make_unique<Impl>(Impl{TextEncoder(std::move(loaded))}));
  });
}

Embeddings Engine::embed(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  return with_memory_errors("embed the texts", [&] { return impl_->encoder.embed(texts, options); });
}

std::vector<TokenEmbeddings> Engine::token_embeddings(std::span<const std::string_view> texts,
                                                      const EmbedOptions& options) const {
  return with_memory_errors("embed the tokens", [&] { return impl_->encoder.token_embeddings(texts, options); });
}

Embeddings Engine::embed_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const {
  return with_memory_errors("embed the rows", [&] { return impl_->encoder.embed_ids(rows, options); });
}

CombinedEmbeddings Engine::embed_all(std::span<const std::string_view> texts, const EmbedOptions& options) const {
  return with_memory_errors("embed the texts", [&] { return impl_->encoder.embed_all(texts, options); });
}

std::vector<TokenEmbeddings> Engine::token_embeddings_ids(std::span<const TokenRow> rows,
                                                          const EmbedOptions& options) const {
  return with_memory_errors("embed the tokens", [&] { return impl_->encoder.token_embeddings_ids(rows, options); });
}

std::vector<MultiVector> Engine::multi_vector(std::span<const std::string_view> texts,
                                              const EmbedOptions& options) const {
  return with_memory_errors("embed the texts",
                            [&] { return LateEncoder(impl_->encoder.loaded()).encode(texts, options); });
}

std::vector<MultiVector> Engine::multi_vector_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const {
  return with_memory_errors("embed the rows",
                            [&] { return LateEncoder(impl_->encoder.loaded()).encode_ids(rows, options); });
}

std::vector<RankedDocument> Engine::rerank(std::string_view query, std::span<const std::string_view> documents,
                                           const RerankOptions& options) const {
  return with_memory_errors("rerank", [&] { return mlxe::rerank(impl_->encoder.loaded(), query, documents, options); });
}

PairScores Engine::score_pairs(std::span<const TextPair> pairs, const RerankOptions& options) const {
  return with_memory_errors("score the pairs",
                            [&] { return mlxe::score_pairs(impl_->encoder.loaded(), pairs, options); });
}

Classifications Engine::classify(std::span<const std::string_view> texts, const ClassifyOptions& options) const {
  return with_memory_errors("classify the texts",
                            [&] { return mlxe::classify(impl_->encoder.loaded(), texts, options); });
}

Classifications Engine::classify_pairs(std::span<const TextPair> pairs, const ClassifyOptions& options) const {
  return with_memory_errors("classify the pairs",
                            [&] { return mlxe::classify_pairs(impl_->encoder.loaded(), pairs, options); });
}

Classifications Engine::classify_ids(std::span<const TokenRow> rows, const ClassifyOptions& options) const {
  return with_memory_errors("classify the rows",
                            [&] { return mlxe::classify_ids(impl_->encoder.loaded(), rows, options); });
}

std::vector<LabelledText> Engine::classify_tokens(std::span<const std::string_view> texts,
                                                  const TokenClassifyOptions& options) const {
  return with_memory_errors("classify the tokens",
                            [&] { return mlxe::classify_tokens(impl_->encoder.loaded(), texts, options); });
}

std::vector<FilledText> Engine::fill_mask(std::span<const std::string_view> texts,
                                          const FillMaskOptions& options) const {
  return with_memory_errors("fill the masks", [&] { return mlxe::fill_mask(impl_->encoder.loaded(), texts, options); });
}

std::vector<SparseVector> Engine::sparse(std::span<const std::string_view> texts, const SparseOptions& options) const {
  return with_memory_errors("make sparse vectors",
                            [&] { return mlxe::sparse(impl_->encoder.loaded(), texts, options); });
}

std::vector<TokenEmbeddings> Engine::token_logits(std::span<const std::string_view> texts,
                                                  const RunOptions& options) const {
  return with_memory_errors("keep the logits of all tokens",
                            [&] { return mlxe::token_logits(impl_->encoder.loaded(), texts, options); });
}

std::vector<TokenEmbeddings> Engine::token_logits_ids(std::span<const TokenRow> rows, const RunOptions& options) const {
  return with_memory_errors("keep the logits of all tokens",
                            [&] { return mlxe::token_logits_ids(impl_->encoder.loaded(), rows, options); });
}

std::vector<TokenizedText> Engine::tokenize(std::span<const std::string_view> texts,
                                            const TokenizeOptions& options) const {
  return with_memory_errors("tokenize the texts",
                            [&] { return mlxe::tokenize(impl_->encoder.loaded(), texts, options); });
}

std::vector<TokenizedText> Engine::tokenize_pairs(std::span<const TextPair> pairs,
                                                  const TokenizeOptions& options) const {
  return with_memory_errors("tokenize the pairs",
                            [&] { return mlxe::tokenize_pairs(impl_->encoder.loaded(), pairs, options); });
}

std::string Engine::token(std::int32_t id) const {
  return impl_->encoder.loaded().tokenizer.id_to_token(id).value_or("");
}

std::optional<std::int32_t> Engine::token_id(std::string_view token) const {
  return impl_->encoder.loaded().tokenizer.token_to_id(token);
}

std::string Engine::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  return with_memory_errors("decode the tokens", [&] {
    std::vector<std::int32_t> known(ids.begin(), ids.end());
    std::erase_if(known, [](std::int32_t id) { return id < 0; });
    return impl_->encoder.loaded().tokenizer.decode(known, skip_special_tokens);
  });
}

const ModelInfo& Engine::info() const {
  return impl_->encoder.info();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

std::vector<std::string> supported_model_types() {
  return architecture_names();
}

}  // namespace mlxe
