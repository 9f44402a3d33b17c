// bf16 matrix products where the CPU has none: operands are widened to float32 in registers.
#pragma once

#include "backend/cpu/generic/bf16.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// Half of float32's memory at the numbers of bf16; not its speed.
/// \tparam I  integers in the lanes of a vector
template <class I>
struct WidenedBf16 {
  using Vector = typename I::Float;
  using Accumulator = Vector;
  struct Words {
    Vector even;
    Vector odd;
  };
  static constexpr int kValues = 2;  // per word
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = false;
  static constexpr bool kOffset = false;

  static Accumulator zero() { return Vector::zero(); }
  static Words widen(I pairs) { return {(pairs << 16).as_float(), (pairs & I::set1(-0x10000)).as_float()}; }
  static Words load(const std::int32_t* p) { return widen(I::load(reinterpret_cast<const std::uint32_t*>(p))); }
  static Words broadcast(const std::int32_t* p) { return widen(I::set1(*p)); }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) {
    return Vector::fma(a.odd, b.odd, Vector::fma(a.even, b.even, sum));
  }
  static Vector to_float(Accumulator sum) { return sum; }

  /// In the lower half of each lane: rounded to the nearest, ties to even, as the instructions do it.
  static I narrow(Vector x) {
    const I bits = I::bits_of(x);
    const I exponent = I::set1(0x7F800000);
    const I is_number = I::equal(I::equal(bits & exponent, exponent), I::set1(0));
    const I rounded = bits + I::set1(0x7FFF) + ((bits >> 16) & I::set1(1));
    // Infinity stays, and a sum makes any NaN a quiet one, whose highest bits tell it.
    const I special = I::bits_of(x + x);
    return ((is_number & rounded) | (I::equal(is_number, I::set1(0)) & special)) >> 16;
  }
  static void store_narrow(Vector x, void* p) { narrow(x).store_low_halves(p); }
  static void store_row(const Vector (&values)[2], void* p) {
    store_narrow(values[0], p);
    store_narrow(values[1], static_cast<std::byte*>(p) + 2 * Vector::kWidth);
  }
  static void store_words(const Vector (&values)[2], void* p) {
    (narrow(values[0]) | (narrow(values[1]) << 16)).as_float().store(static_cast<float*>(p));
  }
};

}  // namespace
}  // namespace mlxe::cpu::generic
