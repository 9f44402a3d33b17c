// TextEncoder: texts to vectors with a loaded model: prompt, tokens, micro-batches, pooling, later modules.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

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

  /// See Engine::token_embeddings.
  [[nodiscard]] std::vector<TokenEmbeddings> token_embeddings(std::span<const std::string_view> texts,
                                                              const EmbedOptions& options) const;

  [[nodiscard]] const LoadedModel& loaded() const { return loaded_; }
  [[nodiscard]] const ModelInfo& info() const { return loaded_.info; }

 private:
  // One call's settings, checked and settled before any work.
  struct Plan {
    std::vector<std::string> prompts;          // one for all texts, or one for each
    std::vector<std::int32_t> prompt_lengths;  // of each: tokens that the pooling leaves out; empty: none
    int max_length = 0;
    std::string max_length_source;
    std::size_t batch_tokens = 0;
    Overflow on_overflow = Overflow::kTruncate;
  };
  // The texts of one window after tokenisation; `first` is the index of the first one in the call.
  struct Window {
    std::size_t first = 0;
    std::vector<Encoding> encodings;
  };

  [[nodiscard]] Plan make_plan(std::span<const std::string_view> texts, const EmbedOptions& options) const;
  [[nodiscard]] std::vector<std::int32_t> count_prompt_tokens(const Plan& plan) const;
  [[nodiscard]] Window tokenize(std::span<const std::string_view> texts, std::size_t first, std::size_t count,
                                const Plan& plan) const;
  void check_window(const Window& window, const Plan& plan) const;
  // Calls consume(ops, batch, window, indices) for every micro-batch of every window, several at once.
  template <typename Consume>
  void for_each_batch(std::span<const std::string_view> texts, const Plan& plan, const Consume& consume) const;
  [[nodiscard]] Tensor finish(Ops& ops, const Tensor& hidden, const PackedBatch& batch, int dim,
                              Normalize normalize) const;

  LoadedModel loaded_;
};

}  // namespace mlxe
