// Pooling of one text's tokens, in plain loops: it is a thousandth of a forward pass.
#include "backend/cpu/pooling.h"

#include <algorithm>
#include <cmath>

namespace mlxe::cpu {

void pool_text(PoolingMode mode, const float* tokens, std::ptrdiff_t ld, int length, int first, int columns,
               float* out) {
  std::fill_n(out, columns, 0.0F);
  if (mode == PoolingMode::kCls && first >= length) {
    first = 0;
  }
  if (first >= length) {
    return;
  }
  const auto token = [&](int index) { return tokens + index * ld; };
  switch (mode) {
    case PoolingMode::kCls: std::copy_n(token(first), columns, out); return;
    case PoolingMode::kLastToken: std::copy_n(token(length - 1), columns, out); return;
    case PoolingMode::kMax:
      std::copy_n(token(first), columns, out);
      for (int i = first + 1; i < length; ++i) {
        const float* x = token(i);
        for (int c = 0; c < columns; ++c) {
          // Both comparisons: a NaN is taken, and one that was taken stays.
          out[c] = x[c] > out[c] || x[c] != x[c] ? x[c] : out[c];
        }
      }
      return;
    case PoolingMode::kMean:
    case PoolingMode::kMeanSqrtLen:
    case PoolingMode::kWeightedMean: break;
  }
  const bool weighted = mode == PoolingMode::kWeightedMean;
  float total = 0.0F;
  for (int i = first; i < length; ++i) {
    const float weight = weighted ? static_cast<float>(i + 1) : 1.0F;  // the position counts from the text's start
    const float* x = token(i);
    for (int c = 0; c < columns; ++c) {
      out[c] += weight * x[c];
    }
    total += weight;
  }
  const float divisor = mode == PoolingMode::kMeanSqrtLen ? std::sqrt(total) : total;
  for (int c = 0; c < columns; ++c) {
    out[c] /= divisor;
  }
}

}  // namespace mlxe::cpu
