// GELU by one short polynomial, where the result is rounded to bf16 at once or its input has int8's errors.
#pragma once

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// GELU(x) = x P(X < x), and P(X < x) = 0.5 + y q(y^2) for X normal, or what tanh makes of that, and y = x clamped to
// [-last, last]. The numbers are tools/fit_gelu.py's.
constexpr float kGeluCoarseLast = 3.7F;

struct GeluCoarse {
  float coefficients[7];  // of q, the constant first
};

// Off by at most 6e-5 |x|, a thirtieth of what rounding to bf16 may add where x > 0. Infinities and NaN stay what they
// are, or become NaN, which whoever checks the results will find.
constexpr GeluCoarse kGeluErfCoarse = {{0.398733467F, -0.0658551753F, 0.00940645207F, -0.000956573815F, 6.40225771e-05F,
                                        -2.48355423e-06F, 4.17422577e-08F}};
constexpr GeluCoarse kGeluTanhCoarse = {{0.398699075F, -0.0660844296F, 0.00955492165F, -0.00099003443F, 6.75927004e-05F,
                                         -2.66811958e-06F, 4.54730511e-08F}};

template <class V>
inline __attribute__((always_inline)) V gelu(const GeluCoarse& coarse, V x) {
  const V y = V::min(V::set1(kGeluCoarseLast), V::max(V::set1(-kGeluCoarseLast), x));
  const V square = y * y;
  V q = V::set1(coarse.coefficients[6]);
#pragma GCC unroll 6
  for (int i = 5; i >= 0; --i) {
    q = V::fma(q, square, V::set1(coarse.coefficients[i]));
  }
  return x * V::fma(q, y, V::set1(0.5F));
}

}  // namespace
}  // namespace mlxe::cpu::generic
