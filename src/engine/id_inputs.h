// Rows of token ids as the inputs of a call: whatever pads them is taken off, and nothing else is done to them.
#pragma once

#include <span>

#include "engine/batch_runner.h"
#include "mlxe/options.h"

namespace mlxe {

/// \param rows  they outlive the source
/// \throws Error{kInvalidInput} naming a row without tokens, of an id or token type that the model has not, or of a
/// mask
///         that is not one stretch of 1 as long as its ids
[[nodiscard]] InputSource id_inputs(const LoadedModel& loaded, std::span<const TokenRow> rows);

/// make_plan() for such rows: they may fill all positions of the model and are never cut, a longer one is
/// Error{kTooLong}.
[[nodiscard]] RunPlan make_id_plan(const LoadedModel& loaded, RunOptions options);

/// \throws Error{kInvalidInput} for a prompt, which only a text can have
void check_no_prompt(const EmbedOptions& options);

}  // namespace mlxe
