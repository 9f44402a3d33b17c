// Layers that GPTQ packed.
#pragma once

#include "base/json.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// Makes X.weight of each layer's X.qweight, X.qzeros, X.scales and X.g_idx.
/// \param settings  `quantization_config` of config.json
/// \throws Error{kCorruptModel} naming a tensor that does not fit; Error{kUnsupported} for another layout
/// Source: pack() and forward() of the torch kernels of AutoGPTQ and GPTQModel
void translate_gptq(const JsonFields& settings, Checkpoint& checkpoint);

}  // namespace mlxe
