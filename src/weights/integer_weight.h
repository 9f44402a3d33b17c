// GroupedIntegers: a weight of integer codes under scales and zero points, and what this library makes of one.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/quantization.h"
#include "tensor/tensor.h"

namespace mlxe {

/// (code - zero) * scale, where a group of a row's columns shares scale and zero.
struct GroupedIntegers {
  Shape shape;  ///< [rows, columns]
  int bits = 4;
  HostTensor codes;                ///< each row a stream of codes, low bits first, in whole words of 32 bits
  int num_groups = 1;              ///< of a row
  std::vector<float> scales;       ///< [rows, num_groups]
  std::vector<int> zeros;          ///< likewise, as codes
  std::vector<int> group_of = {};  ///< of each column; empty: groups of columns / num_groups that follow each other
};

/// Packed where the kernels have such groups and every product that they make is exact in float32; else the elements as
/// float32, each rounded once. So both give the same numbers.
[[nodiscard]] HostTensor to_weight(const GroupedIntegers& weight);

/// Affine codes in MLX's packing as one tensor; scales and biases become float16 or bfloat16 where that loses nothing.
/// \param codes   rows of row_words(format, shape[1]) words
/// \param scales  [rows, shape[1] / format.group_size], as are `biases`
[[nodiscard]] HostTensor affine_tensor(Shape shape, const QuantizationFormat& format, HostTensor codes,
                                       std::vector<float> scales, std::vector<float> biases);

/// A tensor with memory of its own.
[[nodiscard]] HostTensor owned_tensor(DType dtype, Shape shape, std::vector<std::uint32_t> words);
[[nodiscard]] HostTensor owned_tensor(Shape shape, std::vector<float> values);

/// The numbers of a tensor of scales, whatever their type.
[[nodiscard]] std::vector<float> floats_of(const HostTensor& tensor);

/// Takes codes off a stream of words, low bits first.
class CodeStream {
 public:
  CodeStream(const std::byte* words, int bits) : words_(words), bits_(bits) {}
  [[nodiscard]] unsigned next();

 private:
  const std::byte* words_;
  int bits_;
  int available_ = 0;
  std::uint64_t stream_ = 0;
};

}  // namespace mlxe
