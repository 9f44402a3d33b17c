// The bytes of small safetensors files, whole or broken on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace mlxe::testing {

/// Header length in eight little-endian bytes, header, data. Nothing is checked.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (unsigned i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>((std::uint64_t{header.size()} >> (8 * i)) & 0xFFU));
  }
  return bytes.append(header).append(data);
}

/// A tensor of a file that keeps all rules.
struct ListedTensor {
  std::string name;
  std::string dtype;
  std::string shape;  // as in JSON
  std::string data;
};

inline std::string safetensors_bytes(const std::vector<ListedTensor>& tensors) {
  std::string header = "{";
  std::string data;
  for (const ListedTensor& tensor : tensors) {
    header += fmt::format(R"({}"{}": {{"dtype": "{}", "shape": {}, "data_offsets": [{}, {}]}})",
                          header.size() > 1 ? ", " : "", tensor.name, tensor.dtype, tensor.shape, data.size(),
                          data.size() + tensor.data.size());
    data += tensor.data;
  }
  return safetensors_bytes(header + "}", data);
}

/// A float32 tensor of zeros.
inline ListedTensor zeros(std::string name, const std::vector<int>& shape) {
  std::size_t count = 1;
  for (const int dimension : shape) {
    count *= static_cast<std::size_t>(dimension);
  }
  return {std::move(name), "F32", fmt::format("[{}]", fmt::join(shape, ", ")), std::string(4 * count, '\0')};
}

}  // namespace mlxe::testing
