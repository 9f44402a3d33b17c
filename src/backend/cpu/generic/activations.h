// exp, erf, tanh and the activations made of them, written once for every vector type.
// V::max and V::min give their second operand where one of the two is NaN, as x86 has it: x comes second, so that its
// NaN stays.
#pragma once

#include <cstddef>

#include "backend/cpu/generic/gelu_tables.h"
#include "tensor/ops.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// e^x with x clamped to [-87.3, 88]: relative error below 3e-7. NaN stays NaN.
/// x = n ln2 + r with |r| <= ln2 / 2; ln2 in two parts keeps r exact; polynomial fitted for least relative error.
template <class V>
inline __attribute__((always_inline)) V exp(V x) {
  const V clamped = V::min(V::set1(88.0F), V::max(V::set1(-87.33654F), x));
  const V n = V::round(clamped * V::set1(1.44269504F));
  V r = V::fma(n, V::set1(-0.693359375F), clamped);
  r = V::fma(n, V::set1(2.12194440e-4F), r);
  V p = V::set1(1.3814462581649423e-3F);
  p = V::fma(p, r, V::set1(8.368780836462975e-3F));
  p = V::fma(p, r, V::set1(4.166839271783829e-2F));
  p = V::fma(p, r, V::set1(0.1666651964187622F));
  p = V::fma(p, r, V::set1(0.4999999403953552F));
  return V::scale_by_power(V::fma(p * r, r, r) + V::set1(1.0F), n);
}

/// erf(x): relative error below 4e-7. Odd rational function x P(x^2) / Q(x^2), fitted on [0, 3.95]; 1 in float32
/// beyond.
template <class V>
inline __attribute__((always_inline)) V erf(V x) {
  const V z = V::min(V::set1(3.95F), V::max(V::set1(-3.95F), x));
  const V s = z * z;
  V p = V::set1(2.0259049051674083e-6F);
  p = V::fma(p, s, V::set1(2.8468851814977825e-4F));
  p = V::fma(p, s, V::set1(3.8081896491348743e-3F));
  p = V::fma(p, s, V::set1(5.287553369998932e-2F));
  p = V::fma(p, s, V::set1(0.19155094027519226F));
  p = V::fma(p, s, V::set1(1.1283791065216064F));
  V q = V::set1(3.783181091421284e-5F);
  q = V::fma(q, s, V::set1(1.1707327794283628e-3F));
  q = V::fma(q, s, V::set1(1.505514606833458e-2F));
  q = V::fma(q, s, V::set1(0.11455988883972168F));
  q = V::fma(q, s, V::set1(0.5030902624130249F));
  q = V::fma(q, s, V::set1(1.0F));
  return z * p / q;
}

/// 1 / (1 + e^-x): absolute error below 3e-7.
template <class V>
inline __attribute__((always_inline)) V sigmoid(V x) {
  return V::set1(1.0F) / (V::set1(1.0F) + exp(V::zero() - x));
}

/// tanh(x) = 2 sigmoid(2x) - 1: absolute error below 5e-7.
template <class V>
inline __attribute__((always_inline)) V tanh(V x) {
  return V::fma(V::set1(2.0F), sigmoid(x + x), V::set1(-1.0F));
}

template <class V>
inline __attribute__((always_inline)) V activate(Activation activation, V x) {
  const V half = V::set1(0.5F);
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluErf: {
      if constexpr (V::kLooksUp) {
        return gelu(kGeluErfTable, x);
      }
      const V half_x = half * x;
      return V::fma(half_x, erf(x * V::set1(0.70710678F)), half_x);
    }
    case Activation::kGeluTanh: {
      if constexpr (V::kLooksUp) {
        return gelu(kGeluTanhTable, x);
      }
      // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3)
      const V u = V::fma(V::set1(0.044715F) * x, x * x, x);
      return x * sigmoid(V::set1(1.5957691F) * u);
    }
    case Activation::kRelu: return V::max(V::zero(), x);
    case Activation::kSilu: return x * sigmoid(x);
    case Activation::kTanh: return tanh(x);
    case Activation::kSigmoid: return sigmoid(x);
    case Activation::kQuickGelu: return x * sigmoid(V::set1(1.702F) * x);
  }
  return x;
}

template <class V>
void activate_all(Activation activation, float* x, std::size_t count) {
  std::size_t i = 0;
  for (; i + V::kWidth <= count; i += V::kWidth) {
    activate(activation, V::load(x + i)).store(x + i);
  }
  if (i < count) {
    const int left = static_cast<int>(count - i);
    activate(activation, V::load_partial(x + i, left, V::zero())).store_partial(x + i, left);
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
