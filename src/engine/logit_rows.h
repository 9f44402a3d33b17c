// Logits of single tokens, some rows at a time: over a large vocabulary those of a whole batch would fill the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/loader.h"

namespace mlxe {

/// Columns of a row of logits: labels, or words of the vocabulary.
[[nodiscard]] int logits_width(const LoadedModel& loaded);

/// The row of the batch that owns a token.
[[nodiscard]] std::size_t row_of_token(const PackedBatch& batch, std::size_t token);

/// Runs the model and calls take(token, logits) for each of `tokens` in that order.
void for_each_logit_row(const LoadedModel& loaded, Ops& ops, const PackedBatch& batch, const TokenChoice& tokens,
                        const std::function<void(std::size_t token, std::span<const float> logits)>& take);

}  // namespace mlxe
