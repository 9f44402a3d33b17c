// TextEncoder: texts to vectors with a loaded model: prompt, tokens, micro-batches, pooling, later modules.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/batch_runner.h"
#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// What Engine::embed and Engine::token_embeddings do, on any backend. Immutable; callable from many threads.
class TextEncoder {
 public:
  explicit TextEncoder(LoadedModel loaded) : loaded_(std::move(loaded)) {}

  /// See Engine::embed.
  [[nodiscard]] Embeddings embed(std::span<const std::string_view> texts, const EmbedOptions& options) const;

  /// See Engine::embed_ids.
  [[nodiscard]] Embeddings embed_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const;

  /// See Engine::embed_all.
  [[nodiscard]] CombinedEmbeddings embed_all(std::span<const std::string_view> texts,
                                             const EmbedOptions& options) const;

  /// See Engine::token_embeddings.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings(std::span<const std::string_view> texts,
                                                              const EmbedOptions& options) const;
  /// See Engine::token_embeddings_ids.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings_ids(std::span<const TokenRow> rows,
                                                                  const EmbedOptions& options) const;

  [[nodiscard]] const ModelInfo& info() const { return loaded_.info; }
  [[nodiscard]] const LoadedModel& loaded() const { return loaded_; }

 private:
  // What one forward of a micro-batch gave, for those who want more of it than the vectors.
  using Consumer = std::function<void(Ops& ops, const Tensor& hidden, const MicroBatch& batch)>;

  void expect_vectors() const;
  // prompt_lengths: tokens that the pooling leaves out, one for all inputs or one for each; empty: none.
  [[nodiscard]] Embeddings run(const InputSource& source, const RunPlan& plan, const EmbedOptions& options,
                               std::span<const std::int32_t> prompt_lengths, const Consumer& also = {}) const;
  [[nodiscard]] Embeddings run_texts(std::span<const std::string_view> texts, const EmbedOptions& options,
                                     const Consumer& also = {}) const;
  [[nodiscard]] std::vector<TokenEmbeddings> run_tokens(const InputSource& source, const RunPlan& plan) const;
  [[nodiscard]] RunPlan plan(const EmbedOptions& options) const;
  // One for all texts, or one for each.
  [[nodiscard]] std::vector<std::string> prompts_of(std::size_t num_texts, const EmbedOptions& options) const;
  [[nodiscard]] InputSource inputs(std::span<const std::string_view> texts, std::span<const std::string> prompts,
                                   const RunPlan& plan) const;
  // Of each prompt: tokens that the pooling leaves out; empty: none.
  [[nodiscard]] std::vector<std::int32_t> count_prompt_tokens(const std::vector<std::string>& prompts,
                                                              const RunPlan& plan) const;
  // \param pooled  [rows, hidden_size * modes]
  [[nodiscard]] Tensor finish(Ops& ops, const Tensor& pooled, int dim, Normalize normalize) const;

  LoadedModel loaded_;
};

}  // namespace mlxe
