// Engine: a loaded embedding model; the way into the library.
#pragma once

#include <memory>
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
  /// \param model  a folder, or a name that the local Hugging Face cache holds ("org/name")
  /// \throws Error{kModelNotFound, kCorruptModel, kUnsupported, kInvalidInput}
  static Engine load(const std::string& model, const LoadOptions& options = {});

  /// One vector per text, in input order; an empty string gives a vector too.
  /// A vector depends on its own text alone: same bits in any batch, order and number of threads (cpu backend).
  /// \param texts  UTF-8; anything else is Error{kInvalidInput} naming the index
  /// \throws Error{kInvalidInput, kTooLong, kNonFinite, kCancelled}
  [[nodiscard]] Embeddings embed(std::span<const std::string_view> texts, const EmbedOptions& options = {}) const;

  /// The last hidden state of every token of every text (no pooling, no later modules).
  /// Of the options, prompt, prompt_name, max_length, on_overflow and batch_tokens apply.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings(std::span<const std::string_view> texts,
                                                              const EmbedOptions& options = {}) const;

  /// One vector for each token of a late-interaction model (ColBERT and its like), of length 1, in input order. Queries
  /// get their prefix and are filled up, documents get theirs and lose the words that do not count, as the checkpoint
  /// says. maxsim() in similarity.h compares them. Bits do not depend on other texts, as for embed().
  /// \param options  role says which of the two the texts are (kNone: documents). A prompt is put behind the prefix
  /// \throws Error{kUnsupported} for a model that gives one vector for a whole text, and as embed()
  [[nodiscard]] std::vector<MultiVector> multi_vector(std::span<const std::string_view> texts,
                                                      const EmbedOptions& options) const;

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
