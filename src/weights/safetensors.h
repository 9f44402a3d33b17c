// Reading a safetensors file: the header is checked against every rule of the format before a byte of data is used.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "weights/stored_tensor.h"

namespace mlxe {

/// The tensors of one file, as views of its mapping. The file must not be shortened while any of them lives.
/// \throws Error{kCorruptModel} naming the file, the tensor and the rule that is broken
/// Source: the format's description in the README of github.com/huggingface/safetensors
[[nodiscard]] std::map<std::string, StoredTensor> read_safetensors(const std::filesystem::path& path);

}  // namespace mlxe
