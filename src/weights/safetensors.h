// Reading a safetensors file: the header is checked against every rule of the format before a byte of data is used.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace mlxe {

/// A tensor of a file. Its data may start at any byte: read elements with memcpy or unaligned loads.
struct StoredTensor {
  HostTensor tensor;      ///< a view of the file's mapping; without data if `supported` is false
  std::string dtype;      ///< as the file has it: "F32", "F8_E4M3", ...
  bool supported = true;  ///< DType has a word for `dtype`; if not, tensor.dtype means nothing
};

/// The tensors of one file, as views of its mapping. The file must not be shortened while any of them lives.
/// \throws Error{kCorruptModel} naming the file, the tensor and the rule that is broken
/// Source: the format's description in the README of github.com/huggingface/safetensors
[[nodiscard]] std::map<std::string, StoredTensor> read_safetensors(const std::filesystem::path& path);

}  // namespace mlxe
