// Checkpoints that other libraries quantised: which of them can be read, and by whom.
#pragma once

#include <functional>

#include "base/json.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// Puts weights in the place of another library's packed tensors.
using CheckpointTranslator = std::function<void(Checkpoint&)>;

/// What config.json's `quantization_config` asks for. A checkpoint that is not quantised, or by MLX, stays as it is.
/// \throws Error{kUnsupported} for a method that cannot be read, with what to do instead
[[nodiscard]] CheckpointTranslator translator_of(const JsonFields& config);

}  // namespace mlxe
