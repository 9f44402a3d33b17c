// Names and layouts of tensors: llama.cpp's, and those of the checkpoints that it converts.
#pragma once

#include "weights/gguf_file.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// All tensors of a file by the names that its `general.architecture` has in Hugging Face's checkpoints, with the
/// converter's changes undone.
/// \param family  as gguf_family() gives it
/// \throws Error{kCorruptModel} for a tensor that the architecture does not have; Error{kUnsupported} for one whose
///         meaning is not supported
[[nodiscard]] Checkpoint gguf_checkpoint(const GgufFile& file, const std::string& family);

/// The architecture, apart where one word stands for several models: "bert" also has RoBERTa, told by its tokenizer.
/// \throws Error{kUnsupported} for others, with the list
[[nodiscard]] std::string gguf_family(const GgufFile& file);

}  // namespace mlxe
