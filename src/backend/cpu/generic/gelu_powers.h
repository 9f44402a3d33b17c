// GELU by a power of one polynomial, for vector types that cannot look up: no division, and few registers.
#pragma once

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// GELU(x) = max(x, 0) - z P(X > z) with z = |x| and X normal, or what tanh makes of that, as in gelu_tables.h. The
// eighth root of 2 P(X > z) falls so gently from 1 that a polynomial p of degree 8 stands for it, whose last zero is
// `last`: there p^8 is 0 in float32, and GELU exact. The numbers are tools/fit_gelu.py's.
struct GeluPower {
  float last;
  float coefficients[9];  // of p, the constant 1 first
};

/// Off by at most 2.3e-7 |x|.
constexpr GeluPower kGeluErfPower = {7.5F,
                                     {1.0F, -0.099735491F, -0.0348160826F, -0.000735393143F, 0.00164218806F,
                                      3.71866554e-05F, -6.59395591e-05F, 8.25450479e-06F, -3.34061411e-07F}};
/// Off by at most 3.2e-7 |x|.
constexpr GeluPower kGeluTanhPower = {5.5F,
                                      {1.0F, -0.099734053F, -0.0348374657F, -0.000548325828F, 0.00146081718F,
                                       0.000309828582F, -0.000267003896F, 5.93407021e-05F, -4.59295006e-06F}};

/// NaN and infinities become NaN, which whoever checks the results will find.
template <class V>
inline __attribute__((always_inline)) V gelu(const GeluPower& power, V x) {
  const V z = x.abs();
  const V inside = V::min(V::set1(power.last), z);
  V p = V::set1(power.coefficients[8]);
#pragma GCC unroll 8
  for (int i = 7; i >= 0; --i) {
    p = V::fma(p, inside, V::set1(power.coefficients[i]));
  }
  const V p2 = p * p;
  const V p4 = p2 * p2;
  return V::fma(V::set1(-0.5F) * z, p4 * p4, V::max(V::zero(), x));  // z may be infinite, and 0 times that is NaN
}

}  // namespace
}  // namespace mlxe::cpu::generic
