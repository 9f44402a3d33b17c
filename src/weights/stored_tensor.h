// StoredTensor: a tensor as a file has it, or a way to make its elements where the file's bytes are no elements.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "tensor/tensor.h"

namespace mlxe {

/// A tensor of a file. Its data may start at any byte: read elements with memcpy or unaligned loads.
struct StoredTensor {
  HostTensor tensor;      ///< a view of the file's mapping; without data if `decode` is set
  std::string dtype;      ///< as the file has it: "F32", "F8_E4M3", ...; of packed elements: "Q4_K", "4-bit GPTQ, ..."
  bool supported = true;  ///< DType has a word for `dtype`; if not, tensor.dtype means nothing
  /// Set: makes the tensor, of shape tensor.shape, as packed codes that the backends have kernels for or as float32.
  /// It is made where it is taken, one at a time: a model that has to be expanded is never in memory twice.
  std::function<HostTensor()> decode = {};
  std::size_t packed_bytes = 0;  ///< that `decode` reads
};

using Checkpoint = std::map<std::string, StoredTensor>;  ///< by name

}  // namespace mlxe
