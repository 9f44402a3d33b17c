// Cosine similarity of embeddings.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "mlxe/output.h"

namespace mlxe {

/// Cosine of every pair of rows, row-major [count, count]; sums run in double. A zero vector has similarity 0 to all.
[[nodiscard]] inline std::vector<float> cosine_similarities(const Embeddings& embeddings) {
  const std::size_t count = embeddings.count();
  const auto dot = [&](std::size_t a, std::size_t b) {
    const auto left = embeddings.row(a);
    const auto right = embeddings.row(b);
    double sum = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
      sum += static_cast<double>(left[i]) * static_cast<double>(right[i]);
    }
    return sum;
  };
  std::vector<double> lengths(count);
  for (std::size_t i = 0; i < count; ++i) {
    lengths[i] = std::sqrt(dot(i, i));
  }
  std::vector<float> cosines(count * count);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double scale = lengths[i] * lengths[j];
      const auto cosine = static_cast<float>(scale > 0 ? dot(i, j) / scale : 0);
      cosines[i * count + j] = cosine;
      cosines[j * count + i] = cosine;
    }
  }
  return cosines;
}

}  // namespace mlxe
