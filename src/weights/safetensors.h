// Reading a safetensors file: the header is checked against every rule of the format before a byte of data is used.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace mlxe {

/// The tensors of one file, as views of its mapping.
/// \throws Error{kCorruptModel} naming the file, the tensor and the rule that is broken
[[nodiscard]] std::map<std::string, HostTensor> read_safetensors(const std::filesystem::path& path);

}  // namespace mlxe
