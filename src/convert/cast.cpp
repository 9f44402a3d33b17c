// Widening and narrowing without branches, so that every element of a block takes the same way.
#include "convert/cast.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/half.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kBlock = 1024;  // elements that stay in the first-level cache between two steps

void widen_float16(const std::uint16_t* source, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t half = source[i];
    const std::uint32_t magnitude = half & 0x7FFFU;
    const std::uint32_t tiny = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<int>(magnitude)) * 0x1p-24F);
    const std::uint32_t rebias = magnitude < 0x7C00U ? 112U << 23U : 224U << 23U;
    const std::uint32_t normal = (magnitude << 13U) + rebias;
    out[i] = std::bit_cast<float>(((half & 0x8000U) << 16U) | (magnitude < 0x0400U ? tiny : normal));
  }
}

void widen_bfloat16(const std::uint16_t* source, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = bfloat16_to_float(source[i]);
  }
}

std::size_t narrow_to_float16(const float* source, std::size_t count, std::uint16_t* out) {
  std::uint32_t overflows = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(source[i]);
    const std::uint32_t sign = (bits >> 16U) & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7FFF'FFFFU;
    const std::uint32_t nan = 0x7E00U | ((magnitude >> 13U) & 0x03FFU);
    const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F00'0000U;
    const std::uint32_t normal = (magnitude - (112U << 23U) + 0x0FFFU + ((magnitude >> 13U) & 1U)) >> 13U;
    std::uint32_t half = magnitude < 0x3880'0000U ? tiny : normal;
    half = magnitude >= 0x477F'F000U ? 0x7C00U : half;
    half = magnitude > 0x7F80'0000U ? nan : half;
    overflows += magnitude >= 0x477F'F000U && magnitude < 0x7F80'0000U ? 1U : 0U;
    out[i] = static_cast<std::uint16_t>(sign | half);
  }
  return overflows;
}

std::size_t narrow_to_bfloat16(const float* source, std::size_t count, std::uint16_t* out) {
  std::uint32_t overflows = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(source[i]);
    const std::uint32_t magnitude = bits & 0x7FFF'FFFFU;
    const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
    const std::uint32_t nan = (bits >> 16U) | 0x0040U;
    overflows += magnitude >= 0x7F7F'8000U && magnitude < 0x7F80'0000U ? 1U : 0U;
    out[i] = static_cast<std::uint16_t>(magnitude > 0x7F80'0000U ? nan : rounded);
  }
  return overflows;
}

[[noreturn]] void throw_no_float(DType dtype) {
  throw Error(ErrorCode::kInvalidInput,
              "elements of type " + std::string(to_string(dtype)) + " cannot be cast, wanted floating-point ones");
}

}  // namespace

void widen(DType dtype, const std::byte* source, std::size_t count, float* out) {
  if (dtype == DType::kFloat32) {
    std::memcpy(out, source, count * sizeof(float));
    return;
  }
  if (!is_float(dtype)) {
    throw_no_float(dtype);
  }
  std::array<std::uint16_t, kBlock> block;  // the source may start at an odd byte
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    std::memcpy(block.data(), source + begin * 2, size * 2);
    dtype == DType::kFloat16 ? widen_float16(block.data(), size, out + begin)
                             : widen_bfloat16(block.data(), size, out + begin);
  }
}

std::size_t narrow(const float* source, std::size_t count, DType dtype, std::byte* out) {
  if (dtype == DType::kFloat32) {
    std::memcpy(out, source, count * sizeof(float));
    return 0;
  }
  if (!is_float(dtype)) {
    throw_no_float(dtype);
  }
  std::array<std::uint16_t, kBlock> block;
  std::size_t overflows = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    overflows += dtype == DType::kFloat16 ? narrow_to_float16(source + begin, size, block.data())
                                          : narrow_to_bfloat16(source + begin, size, block.data());
    std::memcpy(out + begin * 2, block.data(), size * 2);
  }
  return overflows;
}

std::size_t cast(DType from, const std::byte* source, std::size_t count, DType to, std::byte* out) {
  if (from == to && is_float(from)) {
    std::memcpy(out, source, count * size_bytes(from));
    return 0;
  }
  std::array<float, kBlock> block;
  std::size_t overflows = 0;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    widen(from, source + begin * size_bytes(from), size, block.data());
    overflows += narrow(block.data(), size, to, out + begin * size_bytes(to));
  }
  return overflows;
}

}  // namespace mlxe
