// Shapes as text and their sizes.
#include "tensor/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/files.h"

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

void release_pages(const HostTensor& tensor) {
  if (tensor.file != nullptr) {
    tensor.file->release_pages(tensor.data, num_elements(tensor.shape) * size_bytes(tensor.dtype));
  }
}

}  // namespace mlxe
