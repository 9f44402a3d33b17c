// Labels of stretches of a text: token classification.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// See Engine::classify_tokens.
[[nodiscard]] std::vector<LabelledText> classify_tokens(const LoadedModel& loaded,
                                                        std::span<const std::string_view> texts,
                                                        const TokenClassifyOptions& options);

/// See Engine::token_logits.
[[nodiscard]] std::vector<TokenEmbeddings> token_logits(const LoadedModel& loaded,
                                                        std::span<const std::string_view> texts,
                                                        const RunOptions& options);

/// See Engine::token_logits_ids.
[[nodiscard]] std::vector<TokenEmbeddings> token_logits_ids(const LoadedModel& loaded, std::span<const TokenRow> rows,
                                                            const RunOptions& options);

/// See Engine::tokenize.
[[nodiscard]] std::vector<TokenizedText> tokenize(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                                  const TokenizeOptions& options);
/// See Engine::tokenize_pairs.
[[nodiscard]] std::vector<TokenizedText> tokenize_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                                        const TokenizeOptions& options);

}  // namespace mlxe
