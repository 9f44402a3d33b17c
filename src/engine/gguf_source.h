// A GGUF file in a model folder's place: what the loader takes from it and what from the files beside it.
#pragma once

#include "engine/pipeline.h"
#include "engine/text_settings.h"
#include "tokenizer/tokenizer.h"
#include "weights/gguf_model.h"

namespace mlxe {

/// Fills in what the files beside the GGUF leave open: the pooling, the mask and end tokens, the chat template.
void apply_gguf(const GgufModel& gguf, PipelineSpec& pipeline, TextSettings& settings);

/// tokenizer.json beside the file if there is one, else what the metadata amount to.
/// \throws Error{kUnsupported} if the metadata's kind cannot be rebuilt exactly
[[nodiscard]] Tokenizer load_gguf_tokenizer(const GgufModel& gguf, const TextSettings& settings);

}  // namespace mlxe
