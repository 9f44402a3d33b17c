// MlxOps: each operation in terms of libmlx, row by row where texts must not mix.
#include "backend/mlx/mlx_ops.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "backend/mlx/mlx_tensor.h"
#include "backend/mlx/mlx_weights.h"

namespace mlxe::mlx_backend {

mx::array MlxOps::rows_of(const mx::array& x, int begin, int end) const {
  return mx::slice(x, {begin, 0}, {end, x.shape(1)}, stream_);
}

mx::array MlxOps::stack_rows(std::vector<mx::array> parts, int columns) const {
  return parts.empty() ? mx::zeros({0, columns}, mx::float32, stream_) : mx::concatenate(std::move(parts), 0, stream_);
}

Tensor MlxOps::gather_sum(std::span<const Lookup> lookups) {
  check_gather_sum(lookups);
  const int columns = lookups[0].table->columns;
  const std::size_t count = lookups[0].ids.size();
  return guarded("gather_sum", [&] {
    mx::array sum = mx::zeros({static_cast<int>(count), columns}, mx::float32, stream_);
    for (const Lookup& lookup : lookups) {
      const auto& table = static_cast<const MlxTable&>(*lookup.table->storage);
      const mx::array ids(lookup.ids.data(), {static_cast<int>(count)});
      sum = mx::add(sum, look_up(table, ids, stream_), stream_);
    }
    return wrap(std::move(sum));
  });
}

mx::array MlxOps::activate(const mx::array& x, Activation activation) const {
  const auto constant = [](double value) { return mx::array(static_cast<float>(value)); };
  const auto times = [&](const mx::array& a, const mx::array& b) { return mx::multiply(a, b, stream_); };
  const auto plus = [&](const mx::array& a, const mx::array& b) { return mx::add(a, b, stream_); };
  const auto half_times_one_plus = [&](const mx::array& inner) {
    return times(times(constant(0.5), x), plus(constant(1.0), inner));
  };
  switch (activation) {
    case Activation::kNone: return x;
    case Activation::kGeluErf: return half_times_one_plus(mx::erf(times(x, constant(std::sqrt(0.5))), stream_));
    case Activation::kGeluTanh: {
      const mx::array cube = times(times(x, x), x);
      const mx::array inner = plus(x, times(constant(0.044715), cube));
      return half_times_one_plus(mx::tanh(times(constant(std::sqrt(2.0 / M_PI)), inner), stream_));
    }
    case Activation::kRelu: return mx::maximum(x, constant(0.0), stream_);
    case Activation::kSilu: return times(x, mx::sigmoid(x, stream_));
    case Activation::kTanh: return mx::tanh(x, stream_);
    case Activation::kSigmoid: return mx::sigmoid(x, stream_);
    case Activation::kQuickGelu: return times(x, mx::sigmoid(times(constant(1.702), x), stream_));
  }
  return x;
}

Tensor MlxOps::linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) {
  check_linear(x, weight, residual);
  return guarded("linear", [&] {
    const auto& linear = static_cast<const MlxLinear&>(*weight.storage);
    const mx::array y = activate(product(array_of(x), linear, stream_), activation);
    return wrap(residual.empty() ? y : mx::add(y, array_of(residual), stream_));
  });
}

Tensor MlxOps::gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) {
  check_gated_linear(weight, gate);
  const Tensor halves = linear(x, weight, Activation::kNone, Tensor());
  return guarded("gated_linear", [&] {
    const int size = weight.out_features / 2;
    const mx::array limit(gate.limit);
    const mx::array g = mx::slice(array_of(halves), {0, 0}, {x.rows(), size}, stream_);
    const mx::array u = mx::slice(array_of(halves), {0, size}, {x.rows(), 2 * size}, stream_);
    const mx::array clamped = mx::maximum(mx::negative(limit, stream_), mx::minimum(u, limit, stream_), stream_);
    return wrap(mx::multiply(activate(mx::minimum(g, limit, stream_), gate.activation),
                             mx::add(clamped, mx::array(gate.up_offset), stream_), stream_));
  });
}

Tensor MlxOps::layer_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check_layer_norm(x, norm);
  return guarded("layer_norm", [&] {
    const auto& weight = static_cast<const MlxNorm&>(*norm.storage);
    return wrap(mx::fast::layer_norm(array_of(x), weight.scale, weight.shift, eps, stream_));
  });
}

Tensor MlxOps::rms_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check_rms_norm(x, norm);
  return guarded("rms_norm", [&] {
    const auto& weight = static_cast<const MlxNorm&>(*norm.storage);
    const mx::array groups = mx::reshape(array_of(x), {x.rows(), x.columns() / norm.size, norm.size}, stream_);
    return wrap(mx::reshape(mx::fast::rms_norm(groups, weight.scale, eps, stream_), {x.rows(), x.columns()}, stream_));
  });
}

Tensor MlxOps::columns(const Tensor& x, int begin, int count) {
  check_columns(x, begin, count);
  return guarded("columns",
                 [&] { return wrap(mx::slice(array_of(x), {0, begin}, {x.rows(), begin + count}, stream_)); });
}

Tensor MlxOps::short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) {
  check_short_conv(x, weight, batch, padding);
  return guarded("short_conv", [&] {
    const auto& conv = static_cast<const MlxConv&>(*weight.storage);
    const int before = padding == ConvPadding::kCausal ? weight.taps - 1 : weight.taps / 2;
    std::vector<mx::array> parts;
    for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
      const int begin = batch.offsets[row];
      const int length = batch.offsets[row + 1] - begin;
      const int keys = batch.key_lengths.empty() ? length : batch.key_lengths[row];
      // Zeros on both ends, and in place of the tokens that are not seen.
      const mx::array padded = mx::concatenate(
          {mx::zeros({before, weight.channels}, mx::float32, stream_), rows_of(array_of(x), begin, begin + keys),
           mx::zeros({length - keys + weight.taps, weight.channels}, mx::float32, stream_)},
          0, stream_);
      mx::array sum = mx::zeros({length, weight.channels}, mx::float32, stream_);
      if (conv.bias) {
        sum = mx::add(sum, *conv.bias, stream_);
      }
      for (int tap = 0; tap < weight.taps; ++tap) {
        const mx::array factor = mx::slice(conv.taps, {tap, 0}, {tap + 1, weight.channels}, stream_);
        sum = mx::add(sum, mx::multiply(factor, rows_of(padded, tap, tap + length), stream_), stream_);
      }
      parts.push_back(sum);
    }
    return wrap(stack_rows(std::move(parts), x.columns()));
  });
}

Tensor MlxOps::add(const Tensor& a, const Tensor& b) {
  check_same_shape("add", a, b);
  return guarded("add", [&] { return wrap(mx::add(array_of(a), array_of(b), stream_)); });
}

Tensor MlxOps::multiply(const Tensor& a, const Tensor& b) {
  check_same_shape("multiply", a, b);
  return guarded("multiply", [&] { return wrap(mx::multiply(array_of(a), array_of(b), stream_)); });
}

Tensor MlxOps::scale(const Tensor& x, float factor) {
  return guarded("scale", [&] { return wrap(mx::multiply(array_of(x), mx::array(factor), stream_)); });
}

Tensor MlxOps::take_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  check_take_rows(x, rows);
  return guarded("take_rows", [&] {
    const mx::array index(rows.data(), {static_cast<int>(rows.size())});
    return wrap(mx::take(array_of(x), index, 0, stream_));
  });
}

Tensor MlxOps::add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                        std::span<const float> factors) {
  check_add_rows(base, x, rows, factors);
  if (rows.empty()) {
    return base;
  }
  return guarded("add_rows", [&] {
    const int count = static_cast<int>(rows.size());
    const mx::array index(rows.data(), {count});
    const mx::array scaled = mx::multiply(array_of(x), to_array(factors, {count, 1}), stream_);
    return wrap(mx::scatter_add(array_of(base), index, mx::expand_dims(scaled, 1, stream_), 0, stream_));
  });
}

mx::array MlxOps::pool_row(const mx::array& x, int begin, int first, int end, PoolingMode mode) const {
  if (mode == PoolingMode::kCls && begin < end) {
    const int token = first < end ? first : begin;
    return rows_of(x, token, token + 1);
  }
  if (first >= end) {
    return mx::zeros({1, x.shape(1)}, mx::float32, stream_);
  }
  const mx::array tokens = rows_of(x, first, end);
  const auto count = static_cast<float>(end - first);
  switch (mode) {
    case PoolingMode::kMax: return mx::max(tokens, 0, /*keepdims=*/true, stream_);
    case PoolingMode::kLastToken: return rows_of(x, end - 1, end);
    case PoolingMode::kMeanSqrtLen:
      return mx::divide(mx::sum(tokens, 0, /*keepdims=*/true, stream_), mx::array(std::sqrt(count)), stream_);
    case PoolingMode::kWeightedMean: {
      const mx::array weights = mx::reshape(mx::arange(static_cast<double>(first - begin + 1),
                                                       static_cast<double>(end - begin + 1), mx::float32, stream_),
                                            {end - first, 1}, stream_);
      return mx::divide(mx::sum(mx::multiply(tokens, weights, stream_), 0, /*keepdims=*/true, stream_),
                        mx::sum(weights, 0, /*keepdims=*/true, stream_), stream_);
    }
    default: return mx::mean(tokens, 0, /*keepdims=*/true, stream_);
  }
}

Tensor MlxOps::pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
                    std::span<const std::int32_t> first_token) {
  check_pool(x, batch, first_token);
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  return guarded("pool", [&] {
    std::vector<mx::array> parts;
    for (std::size_t row = 0; row < rows; ++row) {
      const int begin = batch.offsets[row];
      const int end = batch.offsets[row + 1];
      const int first = first_token.empty() ? begin : begin + std::min(first_token[row], end - begin);
      parts.push_back(pool_row(array_of(x), begin, first, end, mode));
    }
    return wrap(stack_rows(std::move(parts), x.columns()));
  });
}

Tensor MlxOps::concat_columns(std::span<const Tensor> parts) {
  check_concat_columns(parts);
  return guarded("concat_columns", [&] {
    std::vector<mx::array> arrays;
    std::ranges::transform(parts, std::back_inserter(arrays), array_of);
    return wrap(mx::concatenate(std::move(arrays), 1, stream_));
  });
}

Tensor MlxOps::l2_normalize(const Tensor& x) {
  return guarded("l2_normalize", [&] {
    const mx::array& values = array_of(x);
    // Squares of values beyond 1e19 or below 1e-19 leave float32, so the row is scaled to a maximum of 1 first.
    mx::array largest = mx::max(mx::abs(values, stream_), 1, /*keepdims=*/true, stream_);
    largest = mx::where(mx::greater(largest, mx::array(0.0F), stream_), largest, mx::array(1.0F), stream_);
    const mx::array scaled = mx::divide(values, largest, stream_);
    const mx::array norm = mx::multiply(
        largest, mx::sqrt(mx::sum(mx::square(scaled, stream_), 1, /*keepdims=*/true, stream_), stream_), stream_);
    return wrap(mx::divide(values, mx::maximum(norm, mx::array(1e-12F), stream_), stream_));
  });
}

void MlxOps::read(const Tensor& x, std::span<float> out) {
  check_read(x, out);
  guarded("read", [&] {
    mx::array values = mx::contiguous(array_of(x), /*allow_col_major=*/false, stream_);
    values.eval();
    std::copy_n(values.data<float>(), out.size(), out.begin());
  });
}

}  // namespace mlxe::mlx_backend
