// Codes of a few bits as a stream of them, low bits first, and back.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mlxe {

static_assert(std::endian::native == std::endian::little, "eight codes at a time are read as one word");

/// \param codes  `count` of them, each below 2^bits; a multiple of 8
/// \param out    count * bits / 8 bytes
inline void pack_codes(const std::uint8_t* codes, std::size_t count, int bits, std::byte* out) {
  const auto width = static_cast<unsigned>(bits);
  if (width == 8) {
    std::memcpy(out, codes, count);
    return;
  }
  for (std::size_t i = 0; i < count; i += 8) {
    // Eight fields of 8 bits become four of 2 w, two of 4 w, one of 8 w.
    std::uint64_t x = 0;
    std::memcpy(&x, codes + i, 8);
    x = (x & 0x00FF00FF00FF00FFU) | ((x & 0xFF00FF00FF00FF00U) >> (8U - width));
    x = (x & 0x0000FFFF0000FFFFU) | ((x & 0xFFFF0000FFFF0000U) >> (16U - 2U * width));
    x = (x & 0x00000000FFFFFFFFU) | ((x & 0xFFFFFFFF00000000U) >> (32U - 4U * width));
    std::memcpy(out, &x, width);
    out += width;
  }
}

/// \param source  count * bits / 8 bytes
inline void unpack_codes(const std::byte* source, std::size_t count, int bits, std::uint8_t* codes) {
  const auto width = static_cast<unsigned>(bits);
  if (width == 8) {
    std::memcpy(codes, source, count);
    return;
  }
  const auto low = [](unsigned size) { return (std::uint64_t{1} << size) - 1; };
  for (std::size_t i = 0; i < count; i += 8) {
    std::uint64_t x = 0;
    std::memcpy(&x, source, width);
    source += width;
    const std::uint64_t four = low(4U * width);
    x = (x & four) | ((x & (four << (4U * width))) << (32U - 4U * width));
    const std::uint64_t two = low(2U * width) | (low(2U * width) << 32U);
    x = (x & two) | ((x & (two << (2U * width))) << (16U - 2U * width));
    const std::uint64_t one = low(width) * 0x0001000100010001U;
    x = (x & one) | ((x & (one << width)) << (8U - width));
    std::memcpy(codes + i, &x, 8);
  }
}

}  // namespace mlxe
