// Layers that the library compressed-tensors wrote (vLLM's LLM Compressor), and checkpoints in fp8 with its words.
#pragma once

#include "base/json.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// Makes X.weight of each layer that has X.weight_packed, or codes of eight bits in X.weight beside X.weight_scale.
/// What a layer is, its tensors say; `settings` only tells the blocks of scales.
/// \param settings  `quantization_config` of config.json
/// \throws Error{kCorruptModel} naming a tensor that does not fit; Error{kUnsupported} for another layout
/// Source: the compressors of compressed-tensors 0.20
void translate_compressed_tensors(const JsonFields& settings, Checkpoint& checkpoint);

/// Makes X.weight of codes E4M3 beside X.weight_scale_inv (which the scale is, despite its name) or X.weight_scale.
/// \param settings  `quantization_config` of config.json, with weight_block_size
void translate_fp8(const JsonFields& settings, Checkpoint& checkpoint);

}  // namespace mlxe
