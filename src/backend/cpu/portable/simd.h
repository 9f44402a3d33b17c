// Four floats by the compiler's own vectors: SSE2 on any x86-64, NEON on ARM, plain code elsewhere.
#pragma once

#include <cstdint>

namespace mlxe::cpu::portable {
namespace {  // each translation unit its own: two may compile this with different flags

struct F32 {
  static constexpr int kWidth = 4;
  static constexpr bool kLooksUp = false;
  typedef float Raw __attribute__((vector_size(16)));
  typedef std::int32_t RawInt __attribute__((vector_size(16)));
  Raw v;

  static F32 zero() { return {Raw{0, 0, 0, 0}}; }
  static F32 set1(float x) { return {Raw{x, x, x, x}}; }
  static F32 load(const float* p) { return {Raw{p[0], p[1], p[2], p[3]}}; }
  /// The first `count` (0..4) floats, then `fill`.
  static F32 load_partial(const float* p, int count, F32 fill) {
    for (int i = 0; i < count; ++i) {
      fill.v[i] = p[i];
    }
    return fill;
  }
  /// Lane i is window[lanes[i] - first].
  static F32 pick(const float* window, const std::int32_t* lanes, std::int32_t first) {
    return {
        Raw{window[lanes[0] - first], window[lanes[1] - first], window[lanes[2] - first], window[lanes[3] - first]}};
  }
  void store(float* p) const { store_partial(p, kWidth); }
  void store_partial(float* p, int count) const {
    for (int i = 0; i < count; ++i) {
      p[i] = v[i];
    }
  }

  friend F32 operator+(F32 a, F32 b) { return {a.v + b.v}; }
  friend F32 operator-(F32 a, F32 b) { return {a.v - b.v}; }
  friend F32 operator*(F32 a, F32 b) { return {a.v * b.v}; }
  friend F32 operator/(F32 a, F32 b) { return {a.v / b.v}; }
  static F32 fma(F32 a, F32 b, F32 c) { return {a.v * b.v + c.v}; }  // a * b + c, rounded twice
  // b where one of the two is NaN.
  static F32 max(F32 a, F32 b) { return {a.v > b.v ? a.v : b.v}; }
  static F32 min(F32 a, F32 b) { return {a.v < b.v ? a.v : b.v}; }
  F32 abs() const { return {reinterpret_cast<Raw>(reinterpret_cast<RawInt>(v) & 0x7FFFFFFF)}; }
  /// To the nearest whole number, for |a| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
  static F32 round(F32 a) {
    const F32 magic = set1(12582912.0F);
    return (a + magic) - magic;
  }
  /// a * 2^n for whole n in [-126, 127].
  static F32 scale_by_power(F32 a, F32 n) {
    const RawInt exponent = (__builtin_convertvector(n.v, RawInt) + 127) << 23;
    return {a.v * reinterpret_cast<Raw>(exponent)};
  }
  /// Lanes [begin, end), which may lie beyond the vector; zeros in the others.
  F32 between(int begin, int end) const {
    F32 kept = zero();
    for (int i = 0; i < kWidth; ++i) {
      kept.v[i] = begin <= i && i < end ? v[i] : 0.0F;
    }
    return kept;
  }
  /// Rows to columns of a 4 x 4 block.
  static void transpose(F32 (&m)[4]) {
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < i; ++j) {
        const float x = m[i].v[j];
        m[i].v[j] = m[j].v[i];
        m[j].v[i] = x;
      }
    }
  }
  /// Runs of kRun lanes of a and b by turns: half of them in low, the others, in the same order, in high.
  template <int kRun>
  static void zip(F32 a, F32 b, F32& low, F32& high) {
    const Raw x = a.v;
    const Raw y = b.v;
    low.v = kRun == 1 ? Raw{x[0], y[0], x[1], y[1]} : Raw{x[0], x[1], y[0], y[1]};
    high.v = kRun == 1 ? Raw{x[2], y[2], x[3], y[3]} : Raw{x[2], x[3], y[2], y[3]};
  }
  float sum() const { return (v[0] + v[2]) + (v[1] + v[3]); }
  float largest() const {
    const float a = v[0] > v[2] ? v[0] : v[2];
    const float b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
  }
};

}  // namespace
}  // namespace mlxe::cpu::portable
