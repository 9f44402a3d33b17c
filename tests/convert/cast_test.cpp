// Casts against the scalar conversions of base/half.h, for every pattern and odd counts.
#include "convert/cast.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "base/half.h"

namespace mlxe {
namespace {

std::vector<std::uint32_t> narrowed(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * 2 + 1);
  narrow(values.data(), values.size(), dtype, bytes.data() + 1);  // at an odd address
  std::vector<std::uint32_t> halves;
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + 1 + 2 * i, 2);
    halves.push_back(half);
  }
  return halves;
}

TEST(Cast, WidensEveryHalfAsItsScalarTwin) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<std::uint16_t>(i);
  }
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    std::vector<float> wide(halves.size());
    widen(dtype, reinterpret_cast<const std::byte*>(halves.data()), halves.size(), wide.data());
    for (std::size_t i = 0; i < halves.size(); ++i) {
      const float wanted = dtype == DType::kFloat16 ? float16_to_float(halves[i]) : bfloat16_to_float(halves[i]);
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(wanted)) << to_string(dtype) << i;
    }
  }
}

TEST(Cast, NarrowsAsItsScalarTwin) {
  std::vector<float> values;
  // Every exponent and sign with mantissas around the points where rounding turns.
  for (std::uint32_t top = 0; top < 512; ++top) {
    for (const std::uint32_t mantissa : {0U, 1U, 0xFFFU, 0x1000U, 0x1001U, 0x3000U, 0x7FFFU, 0x8000U, 0x8001U, 0x18000U,
                                         0x400000U, 0x7FF000U, 0x7FFFFFU}) {
      values.push_back(std::bit_cast<float>(top << 23U | mantissa));
    }
  }
  const std::vector<std::uint32_t> to_half = narrowed(DType::kFloat16, values);
  const std::vector<std::uint32_t> to_brain = narrowed(DType::kBFloat16, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(to_half[i], float_to_float16(values[i])) << values[i];
    EXPECT_EQ(to_brain[i], float_to_bfloat16(values[i])) << values[i];
  }
}

TEST(Cast, CountsWhatBecomesInfinite) {
  const std::vector<float> values = {65504.0F, 65520.0F, -1e30F, 1.0F / 0.0F, 3.4e38F};
  std::vector<std::byte> out(values.size() * 2);
  EXPECT_EQ(narrow(values.data(), values.size(), DType::kFloat16, out.data()), 3U);
  EXPECT_EQ(narrow(values.data(), values.size(), DType::kBFloat16, out.data()), 1U);
}

TEST(Cast, GoesFromOneHalfToTheOtherInOddCounts) {
  for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{65}, std::size_t{1025}}) {
    std::vector<std::uint16_t> source(count);
    for (std::size_t i = 0; i < count; ++i) {
      source[i] = float_to_bfloat16(static_cast<float>(static_cast<int>(i)) * 0.37F - 3.0F);
    }
    std::vector<std::uint16_t> out(count);
    EXPECT_EQ(cast(DType::kBFloat16, reinterpret_cast<const std::byte*>(source.data()), count, DType::kFloat16,
                   reinterpret_cast<std::byte*>(out.data())),
              0U);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(out[i], float_to_float16(bfloat16_to_float(source[i])));
    }
  }
}

}  // namespace
}  // namespace mlxe
