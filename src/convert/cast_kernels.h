// The loops of casting, inlined into whatever instruction set their caller is compiled for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"

/// Inlined even where the caller has instructions that the file around it may not use; so each caller vectorises it in
/// its own way, to the same bits: there is no sum whose order could differ, and no fused multiply-add.
#define MLXE_EVERYWHERE [[gnu::always_inline]] inline

/// A second copy of a function for processors with AVX2, chosen when it runs.
#if defined(__x86_64__)
#define MLXE_AVX2 [[gnu::target("avx2")]]
#endif

namespace mlxe::cast_kernels {

[[nodiscard]] inline bool has_avx2() {
#if defined(__x86_64__)
  static const bool found = __builtin_cpu_supports("avx2") != 0;
  return found;
#else
  return false;
#endif
}

MLXE_EVERYWHERE float float16_bits_to_float(std::uint32_t half) {
  const std::uint32_t magnitude = half & 0x7FFFU;
  const auto tiny = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<int>(magnitude)) * 0x1p-24F);
  const std::uint32_t rebias = magnitude < 0x7C00U ? 112U << 23U : 224U << 23U;
  const std::uint32_t normal = (magnitude << 13U) + rebias;
  return std::bit_cast<float>(((half & 0x8000U) << 16U) | (magnitude < 0x0400U ? tiny : normal));
}

MLXE_EVERYWHERE std::uint32_t float_to_float16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16U) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFF'FFFFU;
  const std::uint32_t nan = 0x7E00U | ((magnitude >> 13U) & 0x03FFU);
  const std::uint32_t tiny = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F00'0000U;
  const std::uint32_t normal = (magnitude - (112U << 23U) + 0x0FFFU + ((magnitude >> 13U) & 1U)) >> 13U;
  std::uint32_t half = magnitude < 0x3880'0000U ? tiny : normal;
  half = magnitude >= 0x477F'F000U ? 0x7C00U : half;
  half = magnitude > 0x7F80'0000U ? nan : half;
  return sign | half;
}

MLXE_EVERYWHERE std::uint32_t float_to_bfloat16_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
  const std::uint32_t nan = (bits >> 16U) | 0x0040U;
  return (bits & 0x7FFF'FFFFU) > 0x7F80'0000U ? nan : rounded;
}

/// Finite, and infinite in the type.
template <DType kType>
MLXE_EVERYWHERE std::uint32_t overflows(float value) {
  const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(value) & 0x7FFF'FFFFU;
  constexpr std::uint32_t kLeast = kType == DType::kFloat16 ? 0x477F'F000U : 0x7F7F'8000U;
  return magnitude >= kLeast && magnitude < 0x7F80'0000U ? 1U : 0U;
}

/// What it is rounded to in an array of that type.
template <DType kType>
MLXE_EVERYWHERE float round_to(float value) {
  if constexpr (kType == DType::kFloat16) {
    return float16_bits_to_float(float_to_float16_bits(value));
  } else if constexpr (kType == DType::kBFloat16) {
    return std::bit_cast<float>(float_to_bfloat16_bits(value) << 16U);
  } else {
    return value;
  }
}

/// Up to kMost elements from any byte on.
template <DType kType, std::size_t kMost>
MLXE_EVERYWHERE void widen(const std::byte* source, std::size_t count, float* out) {
  if constexpr (kType == DType::kFloat32) {
    std::memcpy(out, source, count * sizeof(float));
  } else {
    alignas(64) std::uint16_t halves[kMost];
    std::memcpy(halves, source, count * 2);
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = kType == DType::kFloat16 ? float16_bits_to_float(halves[i])
                                        : std::bit_cast<float>(static_cast<std::uint32_t>(halves[i]) << 16U);
    }
  }
}

/// \returns how many finite elements became infinite
template <DType kType, std::size_t kMost>
MLXE_EVERYWHERE std::size_t narrow(const float* source, std::size_t count, std::byte* out) {
  if constexpr (kType == DType::kFloat32) {
    std::memcpy(out, source, count * sizeof(float));
    return 0;
  } else {
    alignas(64) std::uint16_t halves[kMost];
    std::uint32_t beyond = 0;
    for (std::size_t i = 0; i < count; ++i) {
      halves[i] = static_cast<std::uint16_t>(kType == DType::kFloat16 ? float_to_float16_bits(source[i])
                                                                      : float_to_bfloat16_bits(source[i]));
      beyond += overflows<kType>(source[i]);
    }
    std::memcpy(out, halves, count * 2);
    return beyond;
  }
}

}  // namespace mlxe::cast_kernels
