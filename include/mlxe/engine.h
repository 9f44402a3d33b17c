// Engine: a loaded embedding model; the way into the library.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mlxe/error.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// A loaded model. Immutable after load(); every const member may be called from many threads at once.
///
///     const mlxe::Engine engine = mlxe::Engine::load("all-MiniLM-L6-v2");
///     const std::vector<std::string_view> texts = {"a cat", "a dog"};
///     const mlxe::Embeddings vectors = engine.embed(texts);
class Engine {
 public:
  /// Loads a plain Hugging Face / sentence-transformers folder.
  /// \param model  a folder, an alias, or "org/name" on the Hugging Face Hub: downloaded if the cache lacks it, unless
  ///               options.hub or the environment says offline
  /// \throws Error{kModelNotFound, kCorruptModel, kUnsupported, kInvalidInput}, and as find_model() for a name
  static Engine load(const std::string& model, const LoadOptions& options = {});

  /// One vector per text, in input order; an empty string gives a vector too.
  /// A vector depends on its own text alone: same bits in any batch, order and number of threads (cpu backend).
  /// \param texts  UTF-8; anything else is Error{kInvalidInput} naming the index
  /// \throws Error{kInvalidInput, kTooLong, kNonFinite, kCancelled}
  [[nodiscard]] Embeddings embed(std::span<const std::string_view> texts, const EmbedOptions& options = {}) const;

  /// embed() for texts that are tokens already: what a row gives depends on its tokens alone, not on the padding around
  /// them. Positions count from the first token. Rows may fill all of the model's positions and are never cut: a longer
  /// one is Error{kTooLong}, whatever on_overflow says.
  /// \throws Error{kInvalidInput} naming a row without tokens, with a hole in its mask, or with an id that the model
  /// has
  ///         not, and for a prompt; and as embed()
  [[nodiscard]] Embeddings embed_ids(std::span<const TokenRow> rows, const EmbedOptions& options = {}) const;

  /// The vector of each text, its lexical weights and a vector for each of its tokens from one forward (BGE-M3).
  /// \param options  as for embed(); `dimensions` and `normalize` are about the dense vector
  /// \throws Error{kUnsupported} for a model without such layers, saying what to do where they are pickled; and as
  ///         embed()
  [[nodiscard]] CombinedEmbeddings embed_all(std::span<const std::string_view> texts,
                                             const EmbedOptions& options = {}) const;

  /// The last hidden state of every token of every text (no pooling, no later modules).
  /// Of the options, prompt, prompt_name, max_length, on_overflow and batch_tokens apply.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings(std::span<const std::string_view> texts,
                                                              const EmbedOptions& options = {}) const;

  /// token_embeddings() of rows of token ids, as embed_ids() takes them.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings_ids(std::span<const TokenRow> rows,
                                                                  const EmbedOptions& options = {}) const;

  /// One vector for each token of a late-interaction model (ColBERT and its like), of length 1, in input order. Queries
  /// get their prefix and are filled up, documents get theirs and lose the words that do not count, as the checkpoint
  /// says. maxsim() in similarity.h compares them. Bits do not depend on other texts, as for embed().
  /// \param options  role says which of the two the texts are (kNone: documents). A prompt is put behind the prefix
  /// \throws Error{kUnsupported} for a model that gives one vector for a whole text, and as embed()
  [[nodiscard]] std::vector<MultiVector> multi_vector(std::span<const std::string_view> texts,
                                                      const EmbedOptions& options) const;

  /// multi_vector() of rows of token ids, as embed_ids() takes them: a vector for each token, and none is put before
  /// them, added or left out.
  [[nodiscard]] std::vector<MultiVector> multi_vector_ids(std::span<const TokenRow> rows,
                                                          const EmbedOptions& options = {}) const;

  /// How relevant each document is to the query, the most relevant first; documents of equal score in their order.
  /// A cross-encoder reads query and document as one sequence; a decoder (Qwen3-Reranker) is asked, in the prompt of
  /// its model card, whether the document answers the query. A listwise one (jina-reranker-v3) reads up to 125
  /// documents in one prompt, each seeing those before it: there alone a score depends on the other documents. An empty
  /// query or document is a text like any other.
  /// \throws Error{kUnsupported} if the model was not loaded for it, Error{kInvalidInput} for an instruction that the
  ///         model cannot take, and as embed()
  [[nodiscard]] std::vector<RankedDocument> rerank(std::string_view query, std::span<const std::string_view> documents,
                                                   const RerankOptions& options = {}) const;
  /// The scores of rerank(), for pairs of any query and any document, in input order.
  [[nodiscard]] PairScores score_pairs(std::span<const TextPair> pairs, const RerankOptions& options = {}) const;

  /// A score for each label: probabilities as `problem_type` and the number of labels want it, or raw logits.
  /// \throws as rerank()
  [[nodiscard]] Classifications classify(std::span<const std::string_view> texts,
                                         const ClassifyOptions& options = {}) const;
  [[nodiscard]] Classifications classify_pairs(std::span<const TextPair> pairs,
                                               const ClassifyOptions& options = {}) const;
  /// classify() of rows of token ids, as embed_ids() takes them.
  [[nodiscard]] Classifications classify_ids(std::span<const TokenRow> rows, const ClassifyOptions& options = {}) const;

  /// Labels of stretches of each text: names, places, dates. \throws as rerank()
  [[nodiscard]] std::vector<LabelledText> classify_tokens(std::span<const std::string_view> texts,
                                                          const TokenClassifyOptions& options = {}) const;

  /// The likeliest words in place of each mask (ModelInfo::mask_token).
  /// \throws Error{kInvalidInput} naming a text without a mask, and as rerank()
  [[nodiscard]] std::vector<FilledText> fill_mask(std::span<const std::string_view> texts,
                                                  const FillMaskOptions& options = {}) const;

  /// A sparse vector over the vocabulary for each text (SPLADE). \throws as rerank()
  [[nodiscard]] std::vector<SparseVector> sparse(std::span<const std::string_view> texts,
                                                 const SparseOptions& options = {}) const;

  /// The raw logits of every token, over the labels or over the vocabulary. \throws as rerank()
  [[nodiscard]] std::vector<TokenEmbeddings> token_logits(std::span<const std::string_view> texts,
                                                          const RunOptions& options = {}) const;

  /// token_logits() of rows of token ids, as embed_ids() takes them.
  [[nodiscard]] std::vector<TokenEmbeddings> token_logits_ids(std::span<const TokenRow> rows,
                                                              const RunOptions& options = {}) const;

  /// The tokens of the texts, where they stand in them, and what is cut off. Nothing is computed. What embed(),
  /// multi_vector() and rerank() put before or around a text (a prompt, a prefix, a question) is not among them.
  /// Of the options, batch_tokens has no meaning; progress is told in windows of thousands of texts.
  [[nodiscard]] std::vector<TokenizedText> tokenize(std::span<const std::string_view> texts,
                                                    const TokenizeOptions& options = {}) const;
  [[nodiscard]] std::vector<TokenizedText> tokenize_pairs(std::span<const TextPair> pairs,
                                                          const TokenizeOptions& options = {}) const;
  /// A token as the vocabulary spells it; empty for an id that it does not have.
  [[nodiscard]] std::string token(std::int32_t id) const;
  /// The id of a token as the vocabulary spells it, if it has it.
  [[nodiscard]] std::optional<std::int32_t> token_id(std::string_view token) const;
  /// The text that token ids stand for; ids that the vocabulary does not have are left out.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens = false) const;

  [[nodiscard]] const ModelInfo& info() const;

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// model_type values that this build can load, sorted.
[[nodiscard]] std::vector<std::string> supported_model_types();

}  // namespace mlxe
