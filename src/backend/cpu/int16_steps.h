// How fine the steps of int16 rows may be.
#pragma once

namespace mlxe::cpu {

// Each row of activations and each output column of weights is symmetric, in steps of its own. The steps are as fine as
// sums of 32 bits allow: no sum of products exceeds the product of both lengths (Cauchy and Schwarz), so it is the
// lengths that are limited, and rows of 384 normal values get 2,300 steps to their deviation. Sums on the way may wrap
// around, the last one is right all the same.
constexpr float kLongestInt16 = 45000.0F;  // below sqrt(2^31) = 46341; rounding adds at most half a step for each
                                           // value, sqrt(k) / 2 to the length
constexpr float kLargestInt16 = 32760.0F;
constexpr int kMostInt16Features = 1 << 20;

}  // namespace mlxe::cpu
