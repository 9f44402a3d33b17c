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

/// 0, 1, ..., num_tokens - 1
[[nodiscard]] std::vector<std::int32_t> all_rows(const PackedBatch& batch);

/// The row of the batch that owns a token.
[[nodiscard]] std::size_t row_of_token(const PackedBatch& batch, std::size_t token);

/// Calls take(token, logits) for each of `tokens` in that order.
/// \param hidden  what the model's forward() gave for the batch
/// \param tokens  rows of `hidden`
void for_each_logit_row(const LoadedModel& loaded, Ops& ops, const Tensor& hidden, const PackedBatch& batch,
                        std::span<const std::int32_t> tokens,
                        const std::function<void(std::size_t token, std::span<const float> logits)>& take);

}  // namespace mlxe
