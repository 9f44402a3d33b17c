// ScalarOps: every operation as the plainest loop, sums in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "mlxe/error.h"
#include "support/reference_ops.h"
#include "support/scalar_storage.h"
#include "tensor/ops.h"

namespace mlxe::testing {

class ScalarOps : public Ops {
 public:
  using Ops::linear;

  Tensor gather_sum(std::span<const Lookup> lookups) override {
    const int tokens = static_cast<int>(lookups.front().ids.size());
    const int columns = lookups.front().table->columns;
    const Tensor out = new_tensor(tokens, columns);
    for (const Lookup& lookup : lookups) {
      for (int token = 0; token < tokens; ++token) {
        const std::int32_t id = lookup.ids[static_cast<std::size_t>(token)];
        if (id < 0 || id >= lookup.table->rows) {
          throw Error(ErrorCode::kInvalidInput, "id outside of its table");
        }
        for (int column = 0; column < columns; ++column) {
          at(out, token, column) += scalar(lookup.table->storage)
                                        .weight[static_cast<std::size_t>(id) * static_cast<std::size_t>(columns) +
                                                static_cast<std::size_t>(column)];
        }
      }
    }
    return out;
  }

  Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) override {
    if (x.columns() != weight.in_features) {
      throw Error(ErrorCode::kInvalidInput, "linear: columns of x are not in_features");
    }
    const ScalarWeight& w = scalar(weight.storage);
    const Tensor out = new_tensor(x.rows(), weight.out_features);
    for (int row = 0; row < x.rows(); ++row) {
      for (int j = 0; j < weight.out_features; ++j) {
        double sum = w.bias[static_cast<std::size_t>(j)];
        for (int p = 0; p < x.columns(); ++p) {
          sum += static_cast<double>(at(x, row, p)) *
                 static_cast<double>(w.weight[static_cast<std::size_t>(j) * static_cast<std::size_t>(x.columns()) +
                                              static_cast<std::size_t>(p)]);
        }
        sum = reference_activation(sum, activation);
        at(out, row, j) = static_cast<float>(residual.empty() ? sum : sum + static_cast<double>(at(residual, row, j)));
      }
    }
    return out;
  }

  Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) override {
    const Tensor halves = linear(x, weight, Activation::kNone, Tensor());
    const int size = weight.out_features / 2;
    const Tensor out = new_tensor(x.rows(), size);
    const auto limit = static_cast<double>(gate.limit);
    for (int row = 0; row < x.rows(); ++row) {
      for (int column = 0; column < size; ++column) {
        const auto g = static_cast<double>(at(halves, row, column));
        const auto u = static_cast<double>(at(halves, row, size + column));
        at(out, row, column) = static_cast<float>(reference_activation(std::min(g, limit), gate.activation) *
                                                  (std::clamp(u, -limit, limit) + static_cast<double>(gate.up_offset)));
      }
    }
    return out;
  }

  Tensor rms_norm(const Tensor& x, const NormWeight& norm, float eps) override {
    const ScalarWeight& w = scalar(norm.storage);
    const Tensor out = new_tensor(x.rows(), x.columns());
    for (int row = 0; row < x.rows(); ++row) {
      for (int begin = 0; begin < x.columns(); begin += norm.size) {
        double squares = 0;
        for (int c = 0; c < norm.size; ++c) {
          squares += std::pow(static_cast<double>(at(x, row, begin + c)), 2) / norm.size;
        }
        for (int c = 0; c < norm.size; ++c) {
          at(out, row, begin + c) = static_cast<float>(static_cast<double>(at(x, row, begin + c)) /
                                                       std::sqrt(squares + static_cast<double>(eps)) *
                                                       static_cast<double>(w.weight[static_cast<std::size_t>(c)]));
        }
      }
    }
    return out;
  }

  Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) override {
    const ScalarWeight& w = scalar(norm.storage);
    const Tensor out = new_tensor(x.rows(), x.columns());
    for (int row = 0; row < x.rows(); ++row) {
      double mean = 0;
      for (int column = 0; column < x.columns(); ++column) {
        mean += static_cast<double>(at(x, row, column)) / x.columns();
      }
      double variance = 0;
      for (int column = 0; column < x.columns(); ++column) {
        variance += std::pow(static_cast<double>(at(x, row, column)) - mean, 2) / x.columns();
      }
      for (int column = 0; column < x.columns(); ++column) {
        const auto c = static_cast<std::size_t>(column);
        at(out, row, column) =
            static_cast<float>((static_cast<double>(at(x, row, column)) - mean) /
                                   std::sqrt(variance + static_cast<double>(eps)) * static_cast<double>(w.weight[c]) +
                               static_cast<double>(w.bias[c]));
      }
    }
    return out;
  }

  Tensor columns(const Tensor& x, int begin, int count) override {
    const Tensor out = new_tensor(x.rows(), count);
    for (int row = 0; row < x.rows(); ++row) {
      for (int column = 0; column < count; ++column) {
        at(out, row, column) = at(x, row, begin + column);
      }
    }
    return out;
  }

  Tensor rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                      float factor) override {
    const int pairs = static_cast<int>(inverse_frequencies.size());
    const Tensor out = new_tensor(static_cast<int>(positions.size()), 2 * pairs);
    for (int row = 0; row < out.rows(); ++row) {
      for (int i = 0; i < pairs; ++i) {
        const auto angle = static_cast<double>(static_cast<float>(positions[static_cast<std::size_t>(row)]) *
                                               inverse_frequencies[static_cast<std::size_t>(i)]);
        at(out, row, i) = static_cast<float>(std::cos(angle)) * factor;
        at(out, row, pairs + i) = static_cast<float>(std::sin(angle)) * factor;
      }
    }
    return out;
  }

  Tensor rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs layout) override {
    const int pairs = table.columns() / 2;
    const Tensor out = scale(x, 1.0F);
    for (int row = 0; row < x.rows(); ++row) {
      for (int head = 0; head < x.columns(); head += head_dim) {
        for (int i = 0; i < pairs; ++i) {
          const int first = head + (layout == RopePairs::kHalves ? i : 2 * i);
          const int second = head + (layout == RopePairs::kHalves ? i + pairs : 2 * i + 1);
          const auto a = static_cast<double>(at(x, row, first));
          const auto b = static_cast<double>(at(x, row, second));
          const auto cosine = static_cast<double>(at(table, row, i));
          const auto sine = static_cast<double>(at(table, row, pairs + i));
          at(out, row, first) = static_cast<float>(a * cosine - b * sine);
          at(out, row, second) = static_cast<float>(b * cosine + a * sine);
        }
      }
    }
    return out;
  }

  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                   const AttentionSpec& spec, const TokenChoice& wanted) override {
    const Tensor out = new_tensor(q.rows(), q.columns());
    for (int row = 0; row < batch.num_rows(); ++row) {
      for (int head = 0; head < spec.num_heads; ++head) {
        for (int i = batch.offsets[static_cast<std::size_t>(row)]; i < batch.offsets[static_cast<std::size_t>(row) + 1];
             ++i) {
          attend(q, k, v, batch, spec, row, head, i, out);
        }
      }
    }
    return wanted ? take_rows(out, *wanted) : out;
  }

  Tensor short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) override {
    const ScalarWeight& w = scalar(weight.storage);
    const Tensor out = new_tensor(x.rows(), x.columns());
    const int before = padding == ConvPadding::kCausal ? weight.taps - 1 : weight.taps / 2;
    for (int row = 0; row < batch.num_rows(); ++row) {
      const int begin = batch.offsets[static_cast<std::size_t>(row)];
      const int end = batch.offsets[static_cast<std::size_t>(row) + 1];
      const int keys = batch.key_lengths.empty() ? end : begin + batch.key_lengths[static_cast<std::size_t>(row)];
      for (int token = begin; token < end; ++token) {
        for (int channel = 0; channel < weight.channels; ++channel) {
          double sum = w.bias.empty() ? 0.0 : static_cast<double>(w.bias[static_cast<std::size_t>(channel)]);
          for (int tap = 0; tap < weight.taps; ++tap) {
            const int source = token + tap - before;
            if (source >= begin && source < keys) {
              sum += static_cast<double>(w.weight[static_cast<std::size_t>(channel * weight.taps + tap)]) *
                     static_cast<double>(at(x, source, channel));
            }
          }
          at(out, token, channel) = static_cast<float>(sum);
        }
      }
    }
    return out;
  }

  Tensor add(const Tensor& a, const Tensor& b) override {
    return elementwise(a, b, [](float x, float y) { return x + y; });
  }
  Tensor multiply(const Tensor& a, const Tensor& b) override {
    return elementwise(a, b, [](float x, float y) { return x * y; });
  }
  Tensor scale(const Tensor& x, float factor) override {
    return elementwise(x, x, [factor](float value, float /*same*/) { return value * factor; });
  }

  Tensor take_rows(const Tensor& x, std::span<const std::int32_t> rows) override {
    const Tensor out = new_tensor(static_cast<int>(rows.size()), x.columns());
    for (int row = 0; row < out.rows(); ++row) {
      for (int column = 0; column < x.columns(); ++column) {
        at(out, row, column) = at(x, rows[static_cast<std::size_t>(row)], column);
      }
    }
    return out;
  }

  Tensor add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                  std::span<const float> factors) override {
    const Tensor out = scale(base, 1.0F);
    for (int row = 0; row < x.rows(); ++row) {
      for (int column = 0; column < x.columns(); ++column) {
        at(out, rows[static_cast<std::size_t>(row)], column) +=
            factors[static_cast<std::size_t>(row)] * at(x, row, column);
      }
    }
    return out;
  }

  Tensor pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
              std::span<const std::int32_t> first_token) override {
    const Tensor out = new_tensor(batch.num_rows(), x.columns());
    for (int row = 0; row < batch.num_rows(); ++row) {
      const auto r = static_cast<std::size_t>(row);
      const int begin = batch.offsets[r];
      const int end = batch.offsets[r + 1];
      const int first = begin + (first_token.empty() ? 0 : first_token[r]);
      for (int column = 0; column < x.columns() && begin < end; ++column) {
        at(out, row, column) = pool_column(x, column, begin, first, end, mode);
      }
    }
    return out;
  }

  Tensor concat_columns(std::span<const Tensor> parts) override {
    int total = 0;
    for (const Tensor& part : parts) {
      total += part.columns();
    }
    const Tensor out = new_tensor(parts.front().rows(), total);
    int begin = 0;
    for (const Tensor& part : parts) {
      for (int row = 0; row < part.rows(); ++row) {
        for (int column = 0; column < part.columns(); ++column) {
          at(out, row, begin + column) = at(part, row, column);
        }
      }
      begin += part.columns();
    }
    return out;
  }

  Tensor l2_normalize(const Tensor& x) override {
    const Tensor out = new_tensor(x.rows(), x.columns());
    for (int row = 0; row < x.rows(); ++row) {
      double squares = 0;
      for (int column = 0; column < x.columns(); ++column) {
        squares += std::pow(static_cast<double>(at(x, row, column)), 2);
      }
      for (int column = 0; column < x.columns(); ++column) {
        at(out, row, column) =
            static_cast<float>(static_cast<double>(at(x, row, column)) / std::max(std::sqrt(squares), 1e-12));
      }
    }
    return out;
  }

  void read(const Tensor& x, std::span<float> out) override {
    if (out.size() != values_of(x).size()) {
      throw Error(ErrorCode::kInvalidInput, "read: the place for the values has another size");
    }
    std::ranges::copy(values_of(x), out.begin());
  }

 private:
  template <class F>
  static Tensor elementwise(const Tensor& a, const Tensor& b, const F& f) {
    if (a.rows() != b.rows() || a.columns() != b.columns()) {
      throw Error(ErrorCode::kInvalidInput, "tensors differ in shape");
    }
    const Tensor out = new_tensor(a.rows(), a.columns());
    std::ranges::transform(values_of(a), values_of(b), values_of(out).begin(), f);
    return out;
  }

  /// What is added to the score of tokens i and j of one row.
  static double score_bias(const AttentionSpec& spec, const Tensor& q, const Tensor& k, int head, int i, int j) {
    double bias = 0;
    if (const DistanceBias* table = spec.distance_bias) {
      const int distance = std::clamp(j - i, -table->max_distance, table->max_distance);
      bias += static_cast<double>(table->values[static_cast<std::size_t>(head * (2 * table->max_distance + 1) +
                                                                         distance + table->max_distance)]);
    }
    if (const RelativePositions* relative = spec.relative) {
      const int distance = std::clamp(i - j, -relative->max_distance, relative->max_distance);
      const int bucket = relative->bucket_of_distance[static_cast<std::size_t>(distance + relative->max_distance)];
      const auto dot = [&](const Tensor& x, int row, const PositionTable* table, int column) {
        return table == nullptr
                   ? 0.0
                   : static_cast<double>(at(x, row, column)) *
                         static_cast<double>(
                             scalar(table->storage).weight[static_cast<std::size_t>(bucket * table->columns + column)]);
      };
      for (int column = head * spec.head_dim; column < (head + 1) * spec.head_dim; ++column) {
        bias += dot(q, i, relative->keys, column) + dot(k, j, relative->queries, column);
      }
    }
    return bias;
  }

  static void attend(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                     const AttentionSpec& spec, int row, int head, int i, const Tensor& out) {
    const int begin = batch.offsets[static_cast<std::size_t>(row)];
    const int end = batch.key_lengths.empty() ? batch.offsets[static_cast<std::size_t>(row) + 1]
                                              : begin + batch.key_lengths[static_cast<std::size_t>(row)];
    const int q_column = head * spec.head_dim;
    const int k_column = head / (spec.num_heads / spec.num_kv_heads) * spec.head_dim;
    std::vector<std::pair<int, double>> scores;  // token, score
    double largest = spec.sinks != nullptr ? static_cast<double>((*spec.sinks)[static_cast<std::size_t>(head)])
                                           : -std::numeric_limits<double>::infinity();
    for (int j = begin; j < end; ++j) {
      if (i - j > spec.left_window || j - i > spec.right_window) {
        continue;
      }
      double dot = 0;
      for (int d = 0; d < spec.head_dim; ++d) {
        dot += static_cast<double>(at(q, i, q_column + d)) * static_cast<double>(at(k, j, k_column + d));
      }
      scores.emplace_back(j, dot * static_cast<double>(spec.scale) + score_bias(spec, q, k, head, i, j));
      largest = std::max(largest, scores.back().second);
    }
    double total = spec.sinks != nullptr
                       ? std::exp(static_cast<double>((*spec.sinks)[static_cast<std::size_t>(head)]) - largest)
                       : 0.0;
    for (auto& [j, score] : scores) {
      score = std::exp(score - largest);
      total += score;
    }
    for (int d = 0; d < spec.head_dim; ++d) {
      double sum = 0;
      for (const auto& [j, weight] : scores) {
        sum += weight * static_cast<double>(at(v, j, k_column + d));
      }
      at(out, i, q_column + d) = static_cast<float>(total > 0 ? sum / total : 0.0);
    }
  }

  static float pool_column(const Tensor& x, int column, int begin, int first, int end, PoolingMode mode) {
    if (mode == PoolingMode::kCls) {
      return at(x, first < end ? first : begin, column);
    }
    if (first >= end) {
      return 0;
    }
    double sum = 0;
    double weights = 0;
    double largest = -std::numeric_limits<double>::infinity();
    for (int token = first; token < end; ++token) {
      const auto value = static_cast<double>(at(x, token, column));
      const double weight = mode == PoolingMode::kWeightedMean ? token - begin + 1 : 1;
      sum += value * weight;
      weights += weight;
      largest = std::max(largest, value);
    }
    switch (mode) {
      case PoolingMode::kMax: return static_cast<float>(largest);
      case PoolingMode::kLastToken: return at(x, end - 1, column);
      case PoolingMode::kMeanSqrtLen: return static_cast<float>(sum / std::sqrt(weights));
      default: return static_cast<float>(sum / weights);
    }
  }
};

}  // namespace mlxe::testing
