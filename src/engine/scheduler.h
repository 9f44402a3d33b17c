// Scheduling: texts of like length packed into micro-batches, so that nothing is padded and the cores are evenly busy.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "tensor/packed_batch.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

/// How many of `count` texts, from the first on, make one window: at most `max_texts` and `max_bytes`, but at least
/// one.
[[nodiscard]] std::size_t window_size(std::size_t count, std::size_t max_texts, std::size_t max_bytes,
                                      const std::function<std::size_t(std::size_t index)>& size_bytes);

/// Groups texts, longest first, into micro-batches of at most `batch_tokens` tokens; a longer text is alone in its own.
/// They are made smaller than that where the last round of them would leave some of the workers idle.
/// \param lengths  tokens of each text; those without tokens are in no group
/// \returns        indices into `lengths`, each at most once
[[nodiscard]] std::vector<std::vector<std::size_t>> schedule(std::span<const std::size_t> lengths,
                                                             std::size_t batch_tokens, std::size_t workers);

/// How many of the first groups all workers had better share: those that take clearly longer than a worker's fair share
/// of what is left, and where there are few groups, those that no worker would have a counterpart for (one of seven
/// equal ones between two workers).
/// \param costs  of each group, in any unit, falling as schedule() orders them
[[nodiscard]] std::size_t num_shared_groups(std::span<const double> costs, std::size_t workers);

/// Work of a group in units of one token of a short text: attention makes the tokens of long texts dearer.
/// \param hidden_size  of the model: a token's products cost about as much as its attention to 6 * hidden_size others
[[nodiscard]] double group_cost(std::span<const std::size_t> lengths, std::span<const std::size_t> group,
                                int hidden_size);

/// Puts the chosen encodings one behind the other.
[[nodiscard]] PackedBatch pack(std::span<const Encoding> encodings, std::span<const std::size_t> indices);

}  // namespace mlxe
