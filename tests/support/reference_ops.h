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

/// Groups of scale.size() columns, each normalised alone.
inline Expected reference_rms_norm(const Matrix& x, std::span<const float> scale, float offset, float eps) {
  Expected expected(x.rows, x.columns);
  const int size = static_cast<int>(scale.size());
  for (int row = 0; row < x.rows; ++row) {
    for (int begin = 0; begin < x.columns; begin += size) {
      double squares = 0.0;
      for (int c = 0; c < size; ++c) {
        squares += x.at(row, begin + c) * x.at(row, begin + c) / size;
      }
      const double root = std::sqrt(squares + static_cast<double>(eps));
      for (int c = 0; c < size; ++c) {
        const double factor = static_cast<double>(scale[static_cast<std::size_t>(c)]) + static_cast<double>(offset);
        const double value = x.at(row, begin + c) / root * factor;
        expected.push(value, (sum_error(size) + 4 * kRounding) * std::abs(value) +
                                 kRounding * std::abs(x.at(row, begin + c) / root));
      }
    }
  }
  return expected;
}

/// \param angles  [rows, pairs], in radians
inline Expected reference_rope(const Matrix& x, const std::vector<std::vector<double>>& angles, int head_dim,
                               RopePairs layout, double factor) {
  Expected expected(x.rows, x.columns);
  for (int row = 0; row < x.rows; ++row) {
    const std::vector<double>& turns = angles[static_cast<std::size_t>(row)];
    const int pairs = static_cast<int>(turns.size());
    for (int column = 0; column < x.columns; ++column) {
      const int i = column % head_dim;
      const int head = column - i;
      if (i >= 2 * pairs) {
        expected.push(x.at(row, column), 0.0);
        continue;
      }
      const bool halves = layout == RopePairs::kHalves;
      const int pair = halves ? i % pairs : i / 2;
      const bool is_first = halves ? i < pairs : i % 2 == 0;
      const double a = x.at(row, head + (halves ? pair : 2 * pair));
      const double b = x.at(row, head + (halves ? pair + pairs : 2 * pair + 1));
      const double cosine = std::cos(turns[static_cast<std::size_t>(pair)]) * factor;
      const double sine = std::sin(turns[static_cast<std::size_t>(pair)]) * factor;
      expected.push(is_first ? a * cosine - b * sine : b * cosine + a * sine,
                    4 * kRounding * factor * (std::abs(a) + std::abs(b)));
    }
  }
  return expected;
}

/// \param taps  [channels, taps]
inline Expected reference_short_conv(const Matrix& x, const Matrix& taps, std::span<const float> bias,
                                     const PackedBatch& batch, int before) {
  Expected expected(x.rows, x.columns);
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const int begin = batch.offsets[row];
    const int end = batch.key_lengths.empty() ? batch.offsets[row + 1] : begin + batch.key_lengths[row];
    for (int token = begin; token < batch.offsets[row + 1]; ++token) {
      for (int channel = 0; channel < x.columns; ++channel) {
        double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<std::size_t>(channel)]);
        double magnitude = std::abs(sum);
        for (int tap = 0; tap < taps.columns; ++tap) {
          const int source = token + tap - before;
          if (source >= begin && source < end) {
            const double product = taps.at(channel, tap) * x.at(source, channel);
            sum += product;
            magnitude += std::abs(product);
          }
        }
        expected.push(sum, sum_error(taps.columns) * magnitude);
      }
    }
  }
  return expected;
}

inline Expected reference_gate(const Matrix& x, const Matrix& weight, const Gate& gate) {
  const Expected halves = reference_linear(x, weight, {}, Activation::kNone, nullptr);
  const int size = weight.rows / 2;
  Expected expected(x.rows, size);
  const double limit = static_cast<double>(gate.limit);
  for (int row = 0; row < x.rows; ++row) {
    for (int c = 0; c < size; ++c) {
      const auto g = static_cast<std::size_t>(row * weight.rows + c);
      const auto u = g + static_cast<std::size_t>(size);
      const double activated = reference_activation(std::min(halves.values[g], limit), gate.activation);
      const double up = std::clamp(halves.values[u], -limit, limit) + static_cast<double>(gate.up_offset);
      const double activated_error =
          1.13 * halves.bounds[g] + kActivationError * std::max(1.0, std::abs(halves.values[g]));
      expected.push(activated * up, activated_error * std::abs(up) + halves.bounds[u] * std::abs(activated) +
                                        activated_error * halves.bounds[u] + 2 * kRounding * std::abs(activated * up));
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
