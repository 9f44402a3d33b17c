// Conversion between float32 and the two 16-bit formats, float16 (IEEE 754 binary16) and bfloat16, as bit patterns.
#pragma once

#include <bit>
#include <cstdint>

namespace mlxe {

/// To choose without a branch: loops over floats with one are not made vector code.
[[nodiscard]] constexpr std::uint32_t all_ones_if(bool condition) {
  return condition ? 0xFFFF'FFFFU : 0U;
}

/// Exact. A NaN keeps its sign and its bits.
[[nodiscard]] constexpr float float16_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t magnitude = half & 0x7FFFU;
  // Zero or subnormal: a multiple of 2^-24. Both steps are exact, and no subnormal float32 is involved.
  const float small = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F;
  // The exponent's bias grows from 15 to 127; that of infinity and NaN (31) must become 255, twice as far away.
  const std::uint32_t rebias = 112U << 23U;
  const std::uint32_t large = (magnitude << 13U) + rebias + (rebias & all_ones_if(magnitude >= 0x7C00U));
  const std::uint32_t is_small = all_ones_if(magnitude < 0x0400U);
  return std::bit_cast<float>(sign | (std::bit_cast<std::uint32_t>(small) & is_small) | (large & ~is_small));
}

/// Rounds to nearest, ties to even; 65520 and above become infinity. A NaN stays one (made quiet) and keeps its sign.
[[nodiscard]] constexpr std::uint16_t float_to_float16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16U) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFF'FFFFU;
  std::uint32_t half = 0;
  if (magnitude > 0x7F80'0000U) {
    half = 0x7E00U | ((magnitude >> 13U) & 0x03FFU);
  } else if (magnitude >= 0x477F'F000U) {  // 65520: halfway between the largest float16 and the next power of two
    half = 0x7C00U;
  } else if (magnitude < 0x3880'0000U) {  // below 2^-14: a multiple of 2^-24, which is the last bit of 0.5
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    half = std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(0.5F);
  } else {
    // Less than half of the last bit kept, plus one if that bit is odd: carries exactly where nearest-even does.
    const std::uint32_t rounding = 0x0FFFU + ((magnitude >> 13U) & 1U);
    half = (magnitude - (112U << 23U) + rounding) >> 13U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

/// Exact: bfloat16 is the upper half of a float32.
[[nodiscard]] constexpr float bfloat16_to_float(std::uint16_t brain) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16U);
}

/// Rounds to nearest, ties to even; beyond the largest bfloat16 it is infinity. A NaN stays one (made quiet).
[[nodiscard]] constexpr std::uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFF'FFFFU) > 0x7F80'0000U) {
    return static_cast<std::uint16_t>((bits >> 16U) | 0x0040U);
  }
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

}  // namespace mlxe
