// Scalar twins of the operations: plain loops in double, each with the error that float32 arithmetic may show.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "tensor/ops.h"

namespace mlxe::testing {

/// Half the distance of 1 to the next float32: the relative error of one rounding.
constexpr double kRounding = 0x1p-24;

/// The largest relative error (of the sum of magnitudes) that a float32 sum of `count` products shows here.
/// Rounding errors add up like a random walk, so its square root counts; 4 times that is rare, and 8 for short sums.
/// A product in tf32 or bf16 errs by 2^-11 or 2^-8 a term and is well outside.
inline double sum_error(int count) {
  return (4 * std::sqrt(static_cast<double>(count)) + 8) * kRounding;
}

/// Largest error of any backend's activation function, as a share of max(1, |x|).
constexpr double kActivationError = 6e-7;

struct Matrix {
  int rows = 0;
  int columns = 0;
  std::vector<float> values;  // [rows, columns]

  Matrix() = default;
  Matrix(int num_rows, int num_columns)
      : rows(num_rows),
        columns(num_columns),
        values(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(num_columns)) {}
  float& at(int row, int column) { return values[index(row, column)]; }
  [[nodiscard]] double at(int row, int column) const { return static_cast<double>(values[index(row, column)]); }

 private:
  [[nodiscard]] std::size_t index(int row, int column) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(column);
  }
};

/// What an operation must give, and how far each element may lie from it.
struct Expected {
  int rows = 0;
  int columns = 0;
  std::vector<double> values;
  std::vector<double> bounds;

  Expected(int num_rows, int num_columns) : rows(num_rows), columns(num_columns) {
    values.reserve(static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(num_columns));
    bounds.reserve(values.capacity());
  }
  void push(double value, double bound) {
    values.push_back(value);
    bounds.push_back(bound);
  }
};

/// Normally distributed values; the same for the same seed.
inline Matrix noise(int rows, int columns, unsigned seed, float spread = 1.0F, float mean = 0.0F) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(mean, spread);
  Matrix matrix(rows, columns);
  std::ranges::generate(matrix.values, [&] { return normal(generator); });
  return matrix;
}

/// A float16 or bfloat16 number from its bits, by the definition of the format.
inline float decode_bits(std::uint16_t bits, int exponent_bits, int mantissa_bits) {
  const int exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = bits & ((1 << mantissa_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const float magnitude =
      exponent == 0 ? std::ldexp(static_cast<float>(mantissa), 1 - bias - mantissa_bits)
                    : std::ldexp(static_cast<float>(mantissa + (1 << mantissa_bits)), exponent - bias - mantissa_bits);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}
inline float decode(DType dtype, std::uint16_t bits) {
  return dtype == DType::kFloat16 ? decode_bits(bits, 5, 10) : decode_bits(bits, 8, 7);
}

inline double reference_activation(double x, Activation activation) {
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluErf: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kSilu: return x / (1 + std::exp(-x));
    case Activation::kTanh: return std::tanh(x);
    case Activation::kSigmoid: return 1 / (1 + std::exp(-x));
    case Activation::kQuickGelu: return x / (1 + std::exp(-1.702 * x));
  }
  return x;
}

/// \param bias      empty, or [weight.rows]
/// \param residual  null, or [x.rows, weight.rows]
inline Expected reference_linear(const Matrix& x, const Matrix& weight, std::span<const float> bias,
                                 Activation activation, const Matrix* residual) {
  Expected expected(x.rows, weight.rows);
  for (int row = 0; row < x.rows; ++row) {
    for (int out = 0; out < weight.rows; ++out) {
      double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(out)]);
      double magnitude = std::abs(sum);
      for (int k = 0; k < x.columns; ++k) {
        const double product = x.at(row, k) * weight.at(out, k);
        sum += product;
        magnitude += std::abs(product);
      }
      // The steepest activation, GELU, has a slope of 1.13.
      double bound = 1.13 * sum_error(x.columns) * magnitude;
      if (activation != Activation::kNone) {
        bound += kActivationError * std::max(1.0, std::abs(sum));
      }
      double value = reference_activation(sum, activation);
      if (residual != nullptr) {
        value += residual->at(row, out);
        bound += kRounding * std::abs(value);
      }
      expected.push(value, bound);
    }
  }
  return expected;
}

/// \param shift  empty, or [x.columns]
inline Expected reference_layer_norm(const Matrix& x, std::span<const float> scale, std::span<const float> shift,
                                     float eps) {
  Expected expected(x.rows, x.columns);
  for (int row = 0; row < x.rows; ++row) {
    double mean = 0.0;
    for (int c = 0; c < x.columns; ++c) {
      mean += x.at(row, c) / x.columns;
    }
    double variance = 0.0;
    for (int c = 0; c < x.columns; ++c) {
      variance += (x.at(row, c) - mean) * (x.at(row, c) - mean) / x.columns;
    }
    const double deviation = std::sqrt(variance + static_cast<double>(eps));
    for (int c = 0; c < x.columns; ++c) {
      const auto i = static_cast<std::size_t>(c);
      const double normal = (x.at(row, c) - mean) / deviation;
      const double offset = shift.empty() ? 0.0 : static_cast<double>(shift[i]);
      const double factor = static_cast<double>(scale[i]);
      // A mean rounded to float32 moves every element; a variance taken as E[x^2] - mean^2 would be thousands of
      // times worse where the mean is large.
      const double bound = std::abs(factor) * (16 * kRounding * (std::abs(mean) + 3 * deviation) / deviation +
                                               sum_error(x.columns) * std::abs(normal)) +
                           kRounding * std::abs(offset);
      expected.push(normal * factor + offset, bound);
    }
  }
  return expected;
}

/// One query against the keys of its text; adds num dimensions to `expected`.
inline void reference_attention_row(const Matrix& q, const Matrix& k, const Matrix& v, int token, int begin, int end,
                                    int q_column, int kv_column, const AttentionSpec& spec, Expected& expected) {
  const double scale = static_cast<double>(spec.scale);
  std::vector<double> weights;
  double score_error = 0.0;
  for (int other = begin; other < end; ++other) {
    double dot = 0.0;
    double magnitude = 0.0;
    for (int d = 0; d < spec.head_dim; ++d) {
      const double product = q.at(token, q_column + d) * k.at(other, kv_column + d);
      dot += product;
      magnitude += std::abs(product);
    }
    weights.push_back(dot * scale);
    score_error = std::max(score_error, magnitude * scale * sum_error(spec.head_dim));
  }
  const double largest = *std::ranges::max_element(weights);
  double total = 0.0;
  for (double& weight : weights) {
    weight = std::exp(weight - largest);
    total += weight;
  }
  // An error e of the scores changes weights by the factor exp(e), up and down; exp itself errs by less than 5e-7.
  const double relative = 2 * score_error + 1e-6 + sum_error(end - begin);
  for (int d = 0; d < spec.head_dim; ++d) {
    double sum = 0.0;
    double magnitude = 0.0;
    for (int other = begin; other < end; ++other) {
      const double term = weights[static_cast<std::size_t>(other - begin)] / total * v.at(other, kv_column + d);
      sum += term;
      magnitude += std::abs(term);
    }
    expected.push(sum, relative * magnitude);
  }
}

inline Expected reference_attention(const Matrix& q, const Matrix& k, const Matrix& v, const PackedBatch& batch,
                                    const AttentionSpec& spec) {
  Expected expected(q.rows, q.columns);
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    for (int token = batch.offsets[row]; token < batch.offsets[row + 1]; ++token) {
      for (int head = 0; head < spec.num_heads; ++head) {
        const int kv_head = head / (spec.num_heads / spec.num_kv_heads);
        reference_attention_row(q, k, v, token, batch.offsets[row], batch.offsets[row + 1], head * spec.head_dim,
                                kv_head * spec.head_dim, spec, expected);
      }
    }
  }
  return expected;
}

/// Value and bound of one column of one text that owns tokens [begin, end), of which [first, end) take part.
inline std::pair<double, double> reference_pool_column(const Matrix& x, int column, int begin, int first, int end,
                                                       PoolingMode mode) {
  if (begin == end || (first >= end && mode != PoolingMode::kCls)) {
    return {0.0, 0.0};
  }
  double sum = 0.0;
  double magnitude = 0.0;
  double weights = 0.0;
  double largest = -std::numeric_limits<double>::infinity();
  for (int token = first; token < end; ++token) {
    const double weight = mode == PoolingMode::kWeightedMean ? token - begin + 1 : 1;
    sum += weight * x.at(token, column);
    magnitude += weight * std::abs(x.at(token, column));
    weights += weight;
    largest = std::max(largest, x.at(token, column));
  }
  const double error = sum_error(end - first) * magnitude;
  switch (mode) {
    case PoolingMode::kCls: return {x.at(first < end ? first : begin, column), 0.0};
    case PoolingMode::kLastToken: return {x.at(end - 1, column), 0.0};
    case PoolingMode::kMax: return {largest, 0.0};
    case PoolingMode::kMeanSqrtLen: return {sum / std::sqrt(weights), error / std::sqrt(weights)};
    case PoolingMode::kMean:
    case PoolingMode::kWeightedMean: return {sum / weights, error / weights};
  }
  return {0.0, 0.0};
}

inline Expected reference_pool(const Matrix& x, const PackedBatch& batch, PoolingMode mode,
                               std::span<const std::int32_t> first_token) {
  Expected expected(batch.num_rows(), x.columns);
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const int begin = batch.offsets[row];
    const int first = begin + (first_token.empty() ? 0 : first_token[row]);
    for (int column = 0; column < x.columns; ++column) {
      const auto [value, bound] = reference_pool_column(x, column, begin, first, batch.offsets[row + 1], mode);
      expected.push(value, bound);
    }
  }
  return expected;
}

inline Expected reference_l2_normalize(const Matrix& x) {
  Expected expected(x.rows, x.columns);
  for (int row = 0; row < x.rows; ++row) {
    double squares = 0.0;
    for (int c = 0; c < x.columns; ++c) {
      squares += x.at(row, c) * x.at(row, c);
    }
    const double norm = std::max(std::sqrt(squares), 1e-12);
    for (int c = 0; c < x.columns; ++c) {
      expected.push(x.at(row, c) / norm, sum_error(x.columns) * std::abs(x.at(row, c)) / norm);
    }
  }
  return expected;
}

}  // namespace mlxe::testing
