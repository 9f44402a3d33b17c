// NEON, as every 64-bit ARM has it: four floats in a register.
#pragma once

#include <cstdint>

#include <arm_neon.h>

namespace mlxe::cpu::neon {
namespace {  // each translation unit its own: two may compile this with different flags

struct F32 {
  static constexpr int kWidth = 4;
  static constexpr bool kLooksUp = false;
  using Raw = float32x4_t;
  Raw v;

  static F32 zero() { return set1(0.0F); }
  static F32 set1(float x) { return {vdupq_n_f32(x)}; }
  static F32 load(const float* p) { return {vld1q_f32(p)}; }
  /// Four float16.
  static F32 load_fp16(const void* p) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(static_cast<const std::uint16_t*>(p))))};
  }
  /// The first `count` (0..4) floats, then `fill`.
  static F32 load_partial(const float* p, int count, F32 fill) {
    float lanes[kWidth];
    fill.store(lanes);
    for (int i = 0; i < count; ++i) {
      lanes[i] = p[i];
    }
    return load(lanes);
  }
  /// Lane i is window[lanes[i] - first].
  static F32 pick(const float* window, const std::int32_t* lanes, std::int32_t first) {
    const float picked[4] = {window[lanes[0] - first], window[lanes[1] - first], window[lanes[2] - first],
                             window[lanes[3] - first]};
    return load(picked);
  }
  void store(float* p) const { vst1q_f32(p, v); }
  void store_partial(float* p, int count) const {
    float lanes[kWidth];
    store(lanes);
    for (int i = 0; i < count; ++i) {
      p[i] = lanes[i];
    }
  }

  friend F32 operator+(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
  friend F32 operator-(F32 a, F32 b) { return {vsubq_f32(a.v, b.v)}; }
  friend F32 operator*(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
  friend F32 operator/(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
  static F32 fma(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }  // a * b + c
  // NaN where one of the two is.
  static F32 max(F32 a, F32 b) { return {vmaxq_f32(a.v, b.v)}; }
  static F32 min(F32 a, F32 b) { return {vminq_f32(a.v, b.v)}; }
  static F32 round(F32 a) { return {vrndnq_f32(a.v)}; }
  F32 abs() const { return {vabsq_f32(v)}; }
  /// The larger magnitude, where NaN counts as the largest; a is one already.
  static F32 max_magnitude(F32 a, F32 b) {
    const uint32x4_t bits = vreinterpretq_u32_f32(b.abs().v);
    return {vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a.v), bits))};
  }
  /// a * 2^n for whole n in [-126, 127].
  static F32 scale_by_power(F32 a, F32 n) {
    const int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.v), vdupq_n_s32(127)), 23);
    return {vmulq_f32(a.v, vreinterpretq_f32_s32(exponent))};
  }
  /// Lanes [begin, end), which may lie beyond the vector; zeros in the others.
  F32 between(int begin, int end) const {
    return {vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), vbicq_u32(mask(end), mask(begin))))};
  }
  /// Each rounded to the nearest of 0 .. 255, its bits then flipped by kFlip; for values above -0.5.
  template <std::uint8_t kFlip>
  void store_bytes(std::uint8_t* p) const {
    const uint16x4_t halves = vqmovn_u32(vcvtnq_u32_f32(v));
    const uint8x8_t bytes = veor_u8(vqmovn_u16(vcombine_u16(halves, halves)), vdup_n_u8(kFlip));
    const std::uint32_t four = vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
    __builtin_memcpy(p, &four, sizeof four);
  }
  /// Rows to columns of a 4 x 4 block: pairs of floats, then of pairs.
  static inline __attribute__((always_inline)) void transpose(F32 (&m)[4]) {
    const float32x4x2_t low = vtrnq_f32(m[0].v, m[1].v);
    const float32x4x2_t high = vtrnq_f32(m[2].v, m[3].v);
    m[0].v = vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]));
    m[1].v = vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]));
    m[2].v = vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]));
    m[3].v = vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]));
  }
  /// Runs of kRun lanes of a and b by turns: half of them in low, the others, in the same order, in high.
  template <int kRun>
  static inline __attribute__((always_inline)) void zip(F32 a, F32 b, F32& low, F32& high) {
    if constexpr (kRun == 1) {
      low.v = vzip1q_f32(a.v, b.v);
      high.v = vzip2q_f32(a.v, b.v);
    } else {
      low.v = vcombine_f32(vget_low_f32(a.v), vget_low_f32(b.v));
      high.v = vcombine_f32(vget_high_f32(a.v), vget_high_f32(b.v));
    }
  }
  /// Of each two lanes that lie kDistance apart the sum in the first and the difference in the second.
  template <int kDistance>
  F32 sums_and_differences() const {
    const float signs[kWidth] = {1.0F, kDistance == 1 ? -1.0F : 1.0F, kDistance == 1 ? 1.0F : -1.0F, -1.0F};
    const float32x4_t others = kDistance == 1 ? vrev64q_f32(v) : vextq_f32(v, v, 2);
    return {vfmaq_f32(others, v, vld1q_f32(signs))};
  }
  float sum() const { return vaddvq_f32(v); }
  float largest() const { return vmaxvq_f32(v); }
  /// Of magnitudes, NaN being the largest.
  float largest_magnitude() const { return __builtin_bit_cast(float, vmaxvq_u32(vreinterpretq_u32_f32(v))); }

 private:
  static uint32x4_t mask(int count) {
    const std::int32_t places[kWidth] = {0, 1, 2, 3};
    return vcltq_s32(vld1q_s32(places), vdupq_n_s32(count));
  }
};

}  // namespace
}  // namespace mlxe::cpu::neon
