// exp, tanh and the activations made of them, written once for every vector type.
// V::max and V::min give their second operand where one of the two is NaN, as x86 has it: x comes second, so that its
// NaN stays.
#pragma once

#include <cstddef>

#include "backend/cpu/generic/gelu_coarse.h"
#include "backend/cpu/generic/gelu_powers.h"
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

/// \tparam kFine  else off by a thirtieth of what rounding to bf16 may add, if that saves time
template <class V, bool kFine = true>
inline __attribute__((always_inline)) V activate(Activation activation, V x) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluErf: {
      if constexpr (!kFine) {
        return gelu(kGeluErfCoarse, x);
      } else if constexpr (V::kLooksUp) {
        return gelu(kGeluErfTable, x);
      }
      return gelu(kGeluErfPower, x);
    }
    case Activation::kGeluTanh: {
      if constexpr (!kFine) {
        return gelu(kGeluTanhCoarse, x);
      } else if constexpr (V::kLooksUp) {
        return gelu(kGeluTanhTable, x);
      }
      return gelu(kGeluTanhPower, x);
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
