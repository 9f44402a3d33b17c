// float16 and bfloat16: every pattern against the formula of the format, rounding against a search among neighbours.
#include "base/half.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

/// IEEE 754: (-1)^s * 2^(e - bias) * 1.m, or without the leading one for e = 0. In double, where all of it is exact.
double value_by_formula(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const std::uint32_t mantissa = bits & ((1U << mantissa_bits) - 1);
  const int exponent = static_cast<int>((bits >> mantissa_bits) & ((1U << exponent_bits) - 1));
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1.0 : 1.0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

using Widen = float (*)(std::uint16_t);
using Narrow = std::uint16_t (*)(float);

struct Format {
  const char* name;
  Widen widen;
  Narrow narrow;
  int exponent_bits;
  int mantissa_bits;
};

class Half : public testing::TestWithParam<Format> {};

INSTANTIATE_TEST_SUITE_P(Formats, Half,
                         testing::Values(Format{"float16", float16_to_float, float_to_float16, 5, 10},
                                         Format{"bfloat16", bfloat16_to_float, float_to_bfloat16, 8, 7}),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST_P(Half, WidensEveryPatternExactly) {
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const double wanted = value_by_formula(bits, GetParam().exponent_bits, GetParam().mantissa_bits);
    const float widened = GetParam().widen(static_cast<std::uint16_t>(bits));
    ASSERT_EQ(std::signbit(widened), bits >= 0x8000) << std::hex << bits;
    if (std::isnan(wanted)) {
      ASSERT_TRUE(std::isnan(widened)) << std::hex << bits;
    } else {
      ASSERT_EQ(static_cast<double>(widened), wanted) << std::hex << bits;
    }
  }
}

TEST_P(Half, NarrowingGivesEveryWidenedPatternBack) {
  const auto quiet_bit = static_cast<std::uint16_t>(1U << (GetParam().mantissa_bits - 1));
  for (std::uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto pattern = static_cast<std::uint16_t>(bits);
    const float widened = GetParam().widen(pattern);
    const std::uint16_t wanted = std::isnan(widened) ? pattern | quiet_bit : pattern;
    ASSERT_EQ(GetParam().narrow(widened), wanted) << std::hex << bits;
  }
}

/// What narrow() must give: of the two patterns around |value| the nearer one, of equally near ones the even one.
std::uint16_t nearest_even_by_search(const Format& format, float value) {
  const std::uint32_t infinity = ((1U << format.exponent_bits) - 1) << format.mantissa_bits;
  const auto magnitude = static_cast<double>(std::abs(value));
  std::uint32_t below = 0;
  std::uint32_t above = infinity;
  while (above - below > 1) {  // patterns of one sign are in the order of their values
    const std::uint32_t middle = below + (above - below) / 2;
    (value_by_formula(middle, format.exponent_bits, format.mantissa_bits) <= magnitude ? below : above) = middle;
  }
  const double low = value_by_formula(below, format.exponent_bits, format.mantissa_bits);
  // Infinity rounds as if it were the next value of the same binade.
  const double high = above == infinity ? std::ldexp(1.0, 1 << (format.exponent_bits - 1))
                                        : value_by_formula(above, format.exponent_bits, format.mantissa_bits);
  std::uint32_t nearest = magnitude - low < high - magnitude ? below : above;
  if (magnitude - low == high - magnitude) {
    nearest = below % 2 == 0 ? below : above;
  }
  const std::uint32_t sign = std::signbit(value) ? 1U << (format.exponent_bits + format.mantissa_bits) : 0;
  return static_cast<std::uint16_t>(sign | nearest);
}

TEST_P(Half, NarrowingRoundsToNearestEvenBetweenAllNeighbours) {
  const std::uint32_t largest = (((1U << GetParam().exponent_bits) - 1) << GetParam().mantissa_bits) - 1;
  for (std::uint32_t bits = 0; bits <= largest; ++bits) {
    const double low = value_by_formula(bits, GetParam().exponent_bits, GetParam().mantissa_bits);
    const double high = bits == largest
                            ? std::ldexp(1.0, 1 << (GetParam().exponent_bits - 1))
                            : value_by_formula(bits + 1, GetParam().exponent_bits, GetParam().mantissa_bits);
    const auto halfway = static_cast<float>((low + high) / 2);  // exact: float32 has at least one bit more
    for (const float value : {halfway, std::nextafter(halfway, 0.0F), std::nextafter(halfway, 1e38F), -halfway}) {
      ASSERT_EQ(GetParam().narrow(value), nearest_even_by_search(GetParam(), value)) << value;
    }
  }
}

TEST_P(Half, NarrowingRoundsRandomFloatsToNearestEven) {
  std::mt19937 random(7);
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) {
      ASSERT_EQ(GetParam().narrow(value), nearest_even_by_search(GetParam(), value)) << value;
    }
  }
}

TEST_P(Half, NarrowingKeepsInfinityAndNan) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(GetParam().widen(GetParam().narrow(infinity)), infinity);
  EXPECT_EQ(GetParam().widen(GetParam().narrow(-infinity)), -infinity);
  // The payload of this one lies in the bits that narrowing drops: without care it would turn into infinity.
  EXPECT_TRUE(std::isnan(GetParam().widen(GetParam().narrow(std::bit_cast<float>(0x7F80'0001U)))));
}

TEST(Half, KnownFloat16Patterns) {
  EXPECT_EQ(float_to_float16(1.0F), 0x3C00);
  EXPECT_EQ(float_to_float16(-2.0F), 0xC000);
  EXPECT_EQ(float_to_float16(65504.0F), 0x7BFF);
  EXPECT_EQ(float_to_float16(0x1p-24F), 0x0001);
  EXPECT_EQ(float_to_bfloat16(1.0F), 0x3F80);
}

}  // namespace
}  // namespace mlxe
