// GELU by tables of polynomials, for vector types that look up sixteen numbers in one instruction: no division.
#pragma once

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// GELU(x) = max(x, 0) - g(|x|), where g(z) = z P(X > z) and X is normal, or what tanh makes of that. Negative x lose no
// digits to cancellation so. Around each k / kGeluSteps a polynomial in r = z kGeluSteps - k stands for g; it is 0
// beyond the fifteenth. The numbers are tools/fit_gelu.py's.
constexpr float kGeluSteps = 2.625F;
constexpr float kGeluLast = 15.0F / kGeluSteps;

struct GeluTable {
  float coefficients[6][16];  // [power][k]
};

constexpr GeluTable kGeluErfTable = {{
    {0.0F, 0.133950204F, 0.169949278F, 0.144627392F, 0.0971857607F, 0.05410574F, 0.0254525449F, 0.0102143455F,
     0.00351485074F, 0.00104017172F, 0.000265209179F, 5.83252368e-05F, 1.10723149e-05F, 1.81534278e-06F,
     2.57142602e-07F, 0.0F},
    {0.190476194F, 0.0801061243F, -0.00164725957F, -0.0421874151F, -0.0482300334F, -0.0363618657F, -0.0212449357F,
     -0.0101176817F, -0.0040159924F, -0.00134426751F, -0.000382088416F, -9.26284847e-05F, -1.92098887e-05F,
     -3.41525492e-06F, -5.21330946e-07F, 0.0F},
    {-0.0578962043F, -0.0499364324F, -0.0307402536F, -0.010454746F, 0.00291865342F, 0.00768190855F, 0.00684875203F,
     0.0042266557F, 0.00202947762F, 0.000791163009F, 0.000255618594F, 6.92516915e-05F, 1.58471375e-05F, 3.07809773e-06F,
     5.09247911e-07F, 0.0F},
    {-2.92463892e-06F, 0.00502021797F, 0.00716424035F, 0.00589004532F, 0.00294370437F, 0.000424491911F,
     -0.000754837005F, -0.000871179043F, -0.000569873606F, -0.000273840589F, -0.000103897473F, -3.21180014e-05F,
     -8.22733909e-06F, -1.76440335e-06F, -3.18941829e-07F, 0.0F},
    {0.00141679286F, 0.000972020964F, 7.46415462e-05F, -0.000618479971F, -0.00074708584F, -0.000469376682F,
     -0.0001376359F, 4.60065203e-05F, 8.4278523e-05F, 5.87364266e-05F, 2.81082102e-05F, 1.0330732e-05F, 3.04590458e-06F,
     7.36590096e-07F, 1.48033394e-07F, 0.0F},
    {-3.77327087e-05F, -0.000153741537F, -0.000180314673F, -8.45752947e-05F, 2.65885901e-05F, 7.17352814e-05F,
     5.43012284e-05F, 1.97839672e-05F, -1.46608306e-06F, -6.81474103e-06F, -4.94323331e-06F, -2.3030359e-06F,
     -8.04112744e-07F, -2.22204093e-07F, -4.99115558e-08F, 0.0F},
}};

constexpr GeluTable kGeluTanhTable = {{
    {0.0F, 0.133956462F, 0.170021668F, 0.144826412F, 0.0973970965F, 0.0540890917F, 0.0251237061F, 0.00974194985F,
     0.00312054879F, 0.000812715152F, 0.000168840954F, 2.7402637e-05F, 3.39953726e-06F, 3.15265964e-07F,
     2.13673292e-08F, 0.0F},
    {0.190476194F, 0.0801298618F, -0.00153517339F, -0.0420802981F, -0.0483389758F, -0.0366786122F, -0.0215041116F,
     -0.0101376213F, -0.003866154F, -0.00118253194F, -0.000285560382F, -5.34070168e-05F, -7.57664611e-06F,
     -7.97914424e-07F, -6.10196693e-08F, 0.0F},
    {-0.0578962006F, -0.049904611F, -0.0306998007F, -0.0105137397F, 0.00278338674F, 0.00763510121F, 0.00694386009F,
     0.00434632367F, 0.00207253871F, 0.000768527563F, 0.000220629052F, 4.83487893e-05F, 7.94240077e-06F,
     9.58701207e-07F, 8.3263977e-08F, 0.0F},
    {-2.99023054e-06F, 0.00503535708F, 0.00714834174F, 0.00584850414F, 0.00294438633F, 0.000474963977F,
     -0.000721970166F, -0.000885895744F, -0.000598857645F, -0.000286450086F, -0.000101504877F, -2.67365231e-05F,
     -5.18155275e-06F, -7.27429608e-07F, -7.2648767e-08F, 0.0F},
    {0.00142409361F, 0.000970167224F, 6.38721103e-05F, -0.000616692472F, -0.000731319189F, -0.000464555487F,
     -0.000148902356F, 3.69770787e-05F, 8.57853083e-05F, 6.36354307e-05F, 3.02576427e-05F, 1.00876896e-05F,
     2.39775181e-06F, 4.04882172e-07F, 4.80229012e-08F, 0.0F},
    {-3.85862877e-05F, -0.000156521361F, -0.000180140691F, -8.05455929e-05F, 2.70242799e-05F, 6.77982971e-05F,
     5.27233715e-05F, 2.17781962e-05F, 1.69418072e-07F, -6.99813654e-06F, -5.61030902e-06F, -2.55509599e-06F,
     -7.67792017e-07F, -1.57242852e-07F, -2.20236522e-08F, 0.0F},
}};

/// Off by at most 1.1e-7 |x|. NaN and infinities become NaN, which whoever checks the results will find.
template <class V>
inline __attribute__((always_inline)) V gelu(const GeluTable& table, V x) {
  const V z = x.abs();
  const V whole = V::set1(0x1.8p23F);  // added to a small number, it leaves its whole part in the lowest bits
  const V k = V::fma(V::min(z, V::set1(kGeluLast)), V::set1(kGeluSteps), whole);
  const V r = V::fma(z, V::set1(kGeluSteps), whole - k);  // of z itself: 0 times an infinite one is NaN
  V g = V::lookup(table.coefficients[5], k);
#pragma GCC unroll 5
  for (int power = 4; power >= 0; --power) {
    g = V::fma(g, r, V::lookup(table.coefficients[power], k));
  }
  return V::max(V::zero(), x) - g;
}

}  // namespace
}  // namespace mlxe::cpu::generic
