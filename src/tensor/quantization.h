// Quantised weights as MLX packs them: which formats there are, and what their codes stand for.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace mlxe {

/// How a group of consecutive elements of a row shares its scale. The names are MLX's.
enum class QuantizationMode {
  kAffine,  ///< code * scale + bias, scales and biases floating-point
  kMxfp4,   ///< codes E2M1, scales E8M0
  kMxfp8,   ///< codes E4M3, scales E8M0
  kNvfp4,   ///< codes E2M1, scales E4M3
};

struct QuantizationFormat {
  QuantizationMode mode = QuantizationMode::kAffine;
  int bits = 4;
  int group_size = 64;
  friend bool operator==(const QuantizationFormat&, const QuantizationFormat&) = default;
};

/// What a HostTensor of packed codes has beside them. The tensor's shape is that of its elements; its data holds each
/// row as a stream of `bits`-bit codes, low bits first, in words of 32 bits (dtype kUInt32): shape[-1] * bits / 32
/// each.
struct Quantization {
  QuantizationFormat format;
  HostTensor scales;                 ///< [..., shape[-1] / group_size]; kUInt8 except for kAffine
  std::optional<HostTensor> biases;  ///< as scales; for kAffine only
};

[[nodiscard]] std::string_view to_string(QuantizationMode mode);
/// "4-bit affine, groups of 64"
[[nodiscard]] std::string to_string(const QuantizationFormat& format);
[[nodiscard]] std::optional<QuantizationMode> quantization_mode(std::string_view name);
[[nodiscard]] QuantizationFormat default_format(QuantizationMode mode);
/// One of the formats that libmlx has.
[[nodiscard]] bool is_legal(const QuantizationFormat& format);
/// All of them, for messages.
[[nodiscard]] std::string legal_formats();

/// Words of a row of `size` elements; the group sizes are such that no group shares a word with the next.
[[nodiscard]] constexpr std::size_t row_words(const QuantizationFormat& format, int size) {
  return static_cast<std::size_t>(size) * static_cast<std::size_t>(format.bits) / 32;
}

/// Rows [first, first + num_rows) of a quantised weight, all leading dimensions counted as rows, as float32.
/// Scales are widened first, then code * scale + bias is rounded as float32 does: what libmlx's quantized_matmul makes
/// of a weight for float32 activations, and its dequantize() of float32 scales; the bits are the same.
void dequantize(const HostTensor& weight, std::size_t first, std::size_t num_rows, float* out);

/// Scales (or biases) as float32.
/// \param source  `count` values of type `dtype`, at any byte
void widen_scales(QuantizationMode mode, DType dtype, const std::byte* source, std::size_t count, float* out);

}  // namespace mlxe
