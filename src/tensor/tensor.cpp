// Shapes as text, the sizes of shapes and weights, and the release of pages that were copied.
#include "tensor/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/files.h"
#include "tensor/quantization.h"

namespace mlxe {

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::size_t num_elements(const Shape& shape) {
  std::size_t count = 1;
  for (const int dimension : shape) {
    count *= static_cast<std::size_t>(dimension);
  }
  return count;
}

std::size_t data_bytes(const HostTensor& tensor) {
  const std::size_t elements = num_elements(tensor.shape);
  return tensor.quantization != nullptr ? elements * static_cast<std::size_t>(tensor.quantization->format.bits) / 8
                                        : elements * size_bytes(tensor.dtype);
}

void release_pages(const HostTensor& tensor) {
  if (tensor.file != nullptr) {
    tensor.file->release_pages(tensor.data, data_bytes(tensor));
  }
  if (tensor.quantization != nullptr) {
    release_pages(tensor.quantization->scales);
    if (tensor.quantization->biases) {
      release_pages(*tensor.quantization->biases);
    }
  }
}

}  // namespace mlxe
