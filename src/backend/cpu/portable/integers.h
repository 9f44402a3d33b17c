// Four 32-bit integers by the compiler's own vectors.
#pragma once

#include <cstdint>

#include "backend/cpu/portable/simd.h"

namespace mlxe::cpu::portable {
namespace {  // each translation unit its own: two may compile this with different flags

struct I32 {
  using Float = F32;
  static constexpr bool kLooksUpAtOnce = false;  // lookup16 is one instruction
  typedef std::uint32_t Raw __attribute__((vector_size(16)));
  Raw v;

  static I32 load(const std::uint32_t* p) { return {Raw{p[0], p[1], p[2], p[3]}}; }
  static I32 set1(int x) {
    const auto bits = static_cast<std::uint32_t>(x);
    return {Raw{bits, bits, bits, bits}};
  }
  friend I32 operator+(I32 a, I32 b) { return {a.v + b.v}; }
  friend I32 operator&(I32 a, I32 b) { return {a.v & b.v}; }
  friend I32 operator|(I32 a, I32 b) { return {a.v | b.v}; }
  friend I32 operator>>(I32 a, int n) { return {a.v >> static_cast<std::uint32_t>(n)}; }
  friend I32 operator<<(I32 a, int n) { return {a.v << static_cast<std::uint32_t>(n)}; }
  /// All ones where equal.
  static I32 equal(I32 a, I32 b) { return {reinterpret_cast<Raw>(a.v == b.v)}; }
  static I32 bits_of(F32 x) { return {reinterpret_cast<Raw>(x.v)}; }
  [[nodiscard]] F32 as_float() const { return {reinterpret_cast<F32::Raw>(v)}; }
  [[nodiscard]] F32 to_float() const { return {__builtin_convertvector(reinterpret_cast<F32::RawInt>(v), F32::Raw)}; }
  /// The lower half of each, one beside the other.
  void store_low_halves(void* p) const {
    for (int i = 0; i < F32::kWidth; ++i) {
      const auto half = static_cast<std::uint16_t>(v[i]);
      __builtin_memcpy(static_cast<unsigned char*>(p) + 2 * i, &half, sizeof half);
    }
  }
  /// table[lowest four bits]
  [[nodiscard]] F32 lookup16(const float* table) const {
    return {F32::Raw{table[v[0] & 15U], table[v[1] & 15U], table[v[2] & 15U], table[v[3] & 15U]}};
  }
};

}  // namespace
}  // namespace mlxe::cpu::portable
