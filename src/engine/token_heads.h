// The two layers of BGE-M3 that make lexical weights and a vector for each token beside the vector of the whole text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "engine/text_settings.h"
#include "mlxe/output.h"
#include "tensor/backend.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

struct TokenHeads {
  std::optional<LinearWeight> sparse = {};   ///< [1, hidden_size]: relu of it is how much a token counts
  std::optional<LinearWeight> colbert = {};  ///< [dim, hidden_size]: a vector for each token but the first
  int colbert_dim = 0;
  std::vector<std::int32_t> weightless_ids = {};  ///< sorted: tokens that stand for no word
  std::filesystem::path pickled = {};             ///< the layers are there, but only in a file that is never read
  std::size_t num_parameters = 0;
  [[nodiscard]] bool any() const { return sparse || colbert; }
};

/// Reads sparse_linear.safetensors and colbert_linear.safetensors of the transformer's folder; each may be absent.
/// \throws Error{kCorruptModel, kUnsupported} for a file that holds something else than weight and bias of such a layer
/// Source: M3Embedder of FlagEmbedding
[[nodiscard]] TokenHeads load_token_heads(const std::filesystem::path& folder, int hidden_size,
                                          const TextSettings& settings, const Tokenizer& tokenizer, Backend& backend);

/// \throws Error{kUnsupported} if there are none, saying what to do where they are pickled
void expect_token_heads(const TokenHeads& heads);

/// The largest weight of each token that stands for a word and has one.
/// \param scores  what the sparse layer gave, one for each id
[[nodiscard]] SparseVector lexical_weights(const TokenHeads& heads, std::span<const std::int32_t> ids,
                                           std::span<const float> scores);

}  // namespace mlxe
