// Element types of weights and activations.
#pragma once

#include <cstddef>
#include <string_view>

namespace mlxe {

enum class DType { kFloat32, kFloat16, kBFloat16, kInt64, kInt32, kUInt32, kUInt8 };

[[nodiscard]] constexpr std::size_t size_bytes(DType dtype) {
  switch (dtype) {
    case DType::kInt64: return 8;
    case DType::kFloat32:
    case DType::kInt32:
    case DType::kUInt32: return 4;
    case DType::kFloat16:
    case DType::kBFloat16: return 2;
    case DType::kUInt8: return 1;
  }
  return 0;
}

[[nodiscard]] constexpr bool is_float(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16;
}

/// "float32", "bfloat16", ...: numpy's and torch's word for it.
[[nodiscard]] constexpr std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat16: return "float16";
    case DType::kBFloat16: return "bfloat16";
    case DType::kInt64: return "int64";
    case DType::kInt32: return "int32";
    case DType::kUInt32: return "uint32";
    case DType::kUInt8: return "uint8";
  }
  return "?";
}

}  // namespace mlxe
