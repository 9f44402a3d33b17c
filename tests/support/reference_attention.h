// The scalar twin of attention: every mask and bias of AttentionSpec, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/reference_ops.h"

namespace mlxe::testing {

/// The tables of AttentionSpec::relative as matrices, since tables have no values to read; null: none.
struct ReferencePositions {
  const Matrix* keys = nullptr;
  const Matrix* queries = nullptr;
};

/// A sum of products, and how large they are.
struct ReferenceDot {
  double value = 0.0;
  double magnitude = 0.0;
  void add(double a, double b) {
    value += a * b;
    magnitude += std::abs(a * b);
  }
};

/// What AttentionSpec adds to a score, of token `query` against token `key`.
inline ReferenceDot reference_bias(const AttentionSpec& spec, const ReferencePositions& positions, const Matrix& q,
                                   const Matrix& k, int head, int query, int key) {
  ReferenceDot bias;
  if (const DistanceBias* table = spec.distance_bias) {
    const int distance = std::clamp(key - query, -table->max_distance, table->max_distance);
    const int index = head * (2 * table->max_distance + 1) + distance + table->max_distance;
    bias.add(static_cast<double>(table->values[static_cast<std::size_t>(index)]), 1.0);
  }
  if (const RelativePositions* relative = spec.relative) {
    const int distance = std::clamp(query - key, -relative->max_distance, relative->max_distance);
    const int row = relative->bucket_of_distance[static_cast<std::size_t>(distance + relative->max_distance)];
    for (int column = head * spec.head_dim; column < (head + 1) * spec.head_dim; ++column) {
      if (positions.keys != nullptr) {
        bias.add(q.at(query, column), positions.keys->at(row, column));
      }
      if (positions.queries != nullptr) {
        bias.add(k.at(key, column), positions.queries->at(row, column));
      }
    }
  }
  return bias;
}

/// One query of head `head` against the keys [begin, end) of its text; adds head_dim values to `expected`.
inline void reference_attention_row(const Matrix& q, const Matrix& k, const Matrix& v, int token, int begin, int end,
                                    int head, const AttentionSpec& spec, const ReferencePositions& positions,
                                    Expected& expected) {
  const int q_column = head * spec.head_dim;
  const int kv_column = head / (spec.num_heads / spec.num_kv_heads) * spec.head_dim;
  const double scale = static_cast<double>(spec.scale);
  const double sink = spec.sinks != nullptr ? static_cast<double>((*spec.sinks)[static_cast<std::size_t>(head)])
                                            : -std::numeric_limits<double>::infinity();
  std::vector<int> keys;
  std::vector<double> weights;
  double score_error = 0.0;
  double largest = sink;
  for (int other = begin; other < end; ++other) {
    if (token - other > spec.left_window || other - token > spec.right_window) {
      continue;
    }
    ReferenceDot dot;
    for (int d = 0; d < spec.head_dim; ++d) {
      dot.add(q.at(token, q_column + d), k.at(other, kv_column + d));
    }
    const ReferenceDot bias = reference_bias(spec, positions, q, k, head, token, other);
    keys.push_back(other);
    weights.push_back(dot.value * scale + bias.value);
    score_error = std::max(score_error, (dot.magnitude * scale + bias.magnitude) * sum_error(spec.head_dim) +
                                            4 * kRounding * std::abs(bias.value));
    largest = std::max(largest, weights.back());
  }
  double total = spec.sinks != nullptr ? std::exp(sink - largest) : 0.0;
  for (double& weight : weights) {
    weight = std::exp(weight - largest);
    total += weight;
  }
  // An error e of the scores changes weights by the factor exp(e), up and down; exp itself errs by less than 5e-7.
  const double relative = 2 * score_error + 1e-6 + sum_error(end - begin);
  for (int d = 0; d < spec.head_dim; ++d) {
    double sum = 0.0;
    double magnitude = 0.0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const double term = weights[i] / total * v.at(keys[i], kv_column + d);
      sum += term;
      magnitude += std::abs(term);
    }
    expected.push(sum, relative * magnitude);  // nothing seen: exactly zero
  }
}

inline Expected reference_attention(const Matrix& q, const Matrix& k, const Matrix& v, const PackedBatch& batch,
                                    const AttentionSpec& spec, const ReferencePositions& positions = {}) {
  Expected expected(q.rows, q.columns);
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const int begin = batch.offsets[row];
    const int end = batch.key_lengths.empty() ? batch.offsets[row + 1] : begin + batch.key_lengths[row];
    for (int token = begin; token < batch.offsets[row + 1]; ++token) {
      for (int head = 0; head < spec.num_heads; ++head) {
        reference_attention_row(q, k, v, token, begin, end, head, spec, positions, expected);
      }
    }
  }
  return expected;
}

}  // namespace mlxe::testing
