// Tensors of ggml's block types: as packed codes where the kernels have such groups, else expanded.
#pragma once

#include <functional>
#include <string>

#include "weights/gguf_file.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// What llama.cpp's converter did to a tensor, undone as it is read.
struct GgufRepair {
  int heads_taken_apart = 0;  ///< rows of so many heads: pairs for rope beside each other, wanted half a head apart
  int rows_in_front = 0;      ///< that were cut off: zeros
  float subtracted = 0.0F;    ///< from each element
  Shape shape = {};           ///< if another than the file's, of as many elements
};

/// The tensor under the rules of a checkpoint: F32, F16 and BF16 as they are; Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and
/// Q5_K as affine codes in groups of 32 under scales and biases that hold the same numbers; Q2_K, Q3_K and Q6_K, whose
/// groups have 16 elements, as float32. The numbers are bit for bit those of ggml's own dequantisation.
/// \throws Error{kUnsupported} naming the tensor and its type if that is none of these; Error{kCorruptModel} for a
///         repair that does not fit
[[nodiscard]] StoredTensor stored_tensor(const GgufFile& file, const std::string& name, const GgufRepair& repair = {});

}  // namespace mlxe
