// NEON: four 32-bit integers in a register.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "backend/cpu/neon/simd.h"

namespace mlxe::cpu::neon {
namespace {  // each translation unit its own: two may compile this with different flags

struct I32 {
  using Float = F32;
  static constexpr bool kLooksUpAtOnce = false;  // lookup16 is one instruction
  uint32x4_t v;

  static I32 load(const std::uint32_t* p) { return {vld1q_u32(p)}; }
  static I32 set1(int x) { return {vdupq_n_u32(static_cast<std::uint32_t>(x))}; }
  friend I32 operator+(I32 a, I32 b) { return {vaddq_u32(a.v, b.v)}; }
  friend I32 operator&(I32 a, I32 b) { return {vandq_u32(a.v, b.v)}; }
  friend I32 operator|(I32 a, I32 b) { return {vorrq_u32(a.v, b.v)}; }
  friend I32 operator>>(I32 a, int n) { return {vshlq_u32(a.v, vdupq_n_s32(-n))}; }  // zeros come in
  friend I32 operator<<(I32 a, int n) { return {vshlq_u32(a.v, vdupq_n_s32(n))}; }
  /// All ones where equal.
  static I32 equal(I32 a, I32 b) { return {vceqq_u32(a.v, b.v)}; }
  static I32 bits_of(F32 x) { return {vreinterpretq_u32_f32(x.v)}; }
  [[nodiscard]] F32 as_float() const { return {vreinterpretq_f32_u32(v)}; }
  [[nodiscard]] F32 to_float() const { return {vcvtq_f32_u32(v)}; }
  /// The lower half of each, one beside the other.
  void store_low_halves(void* p) const {
    const uint16x4_t halves = vmovn_u32(v);
    __builtin_memcpy(p, &halves, sizeof halves);
  }
  /// table[lowest four bits]
  [[nodiscard]] F32 lookup16(const float* table) const {
    std::uint32_t index[F32::kWidth];
    vst1q_u32(index, vandq_u32(v, vdupq_n_u32(15)));
    const float lanes[F32::kWidth] = {table[index[0]], table[index[1]], table[index[2]], table[index[3]]};
    return {vld1q_f32(lanes)};
  }
};

}  // namespace
}  // namespace mlxe::cpu::neon
