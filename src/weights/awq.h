// Layers that AWQ packed.
#pragma once

#include "base/json.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// Makes X.weight of each layer's X.qweight, X.qzeros and X.scales.
/// \param settings  `quantization_config` of config.json
/// \throws Error{kCorruptModel} naming a tensor that does not fit; Error{kUnsupported} for another layout
/// Source: WQLinear_GEMM and dequantize_gemm() of AutoAWQ
void translate_awq(const JsonFields& settings, Checkpoint& checkpoint);

}  // namespace mlxe
