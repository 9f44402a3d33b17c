// Cosine similarity of embeddings, and MaxSim of what late-interaction models give.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "mlxe/error.h"
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

/// What a document scores that has no vector left (all of its words were left out): far below any other.
inline constexpr float kEmptyDocumentScore = -1e9F;

/// Late interaction: for each vector of the query the largest product with one of the document's, summed.
/// \throws Error{kInvalidInput} for vectors of different widths
/// Source: maxsim() of sentence-transformers, which leaves masked tokens out as we do
[[nodiscard]] inline float maxsim(const MultiVector& query, const MultiVector& document) {
  if (query.dim != document.dim) {
    throw Error(ErrorCode::kInvalidInput, "the query's vectors have " + std::to_string(query.dim) +
                                              " dimensions, the document's " + std::to_string(document.dim) +
                                              ", wanted the same of both");
  }
  if (document.count() == 0) {
    return kEmptyDocumentScore;
  }
  double sum = 0;
  for (std::size_t i = 0; i < query.count(); ++i) {
    const auto left = query.row(i);
    float best = -std::numeric_limits<float>::infinity();
    for (std::size_t j = 0; j < document.count(); ++j) {
      const auto right = document.row(j);
      std::array<float, 8> lanes = {};  // independent sums, which a compiler may add side by side
      for (std::size_t k = 0; k < left.size(); ++k) {
        lanes[k % 8] += left[k] * right[k];
      }
      best = std::max(
          best, ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7])));
    }
    sum += static_cast<double>(best);
  }
  return static_cast<float>(sum);
}

/// maxsim() of every query with every document, row-major [queries, documents].
[[nodiscard]] inline std::vector<float> maxsim(std::span<const MultiVector> queries,
                                               std::span<const MultiVector> documents) {
  std::vector<float> scores;
  scores.reserve(queries.size() * documents.size());
  for (const MultiVector& query : queries) {
    for (const MultiVector& document : documents) {
      scores.push_back(maxsim(query, document));
    }
  }
  return scores;
}

}  // namespace mlxe
