// MlxOps: each operation in terms of libmlx, row by row where texts must not mix.
#include "backend/mlx/mlx_ops.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backend/mlx/mlx_weights.h"
#include "mlxe/error.h"

namespace mlxe::mlx_backend {
namespace {

struct MlxTensor final : TensorStorage {
  explicit MlxTensor(mx::array a) : array(std::move(a)) {}
  mx::array array;  // [rows, columns], float32
};

const mx::array& array_of(const Tensor& tensor) {
  return static_cast<const MlxTensor&>(*tensor.storage()).array;
}

Tensor wrap(mx::array array) {
  const int rows = array.shape(0);
  const int columns = array.shape(1);
  return {rows, columns, std::make_shared<MlxTensor>(std::move(array))};
}

template <class... Args>
void check(bool good, fmt::format_string<Args...> message, Args&&... args) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, fmt::format(message, std::forward<Args>(args)...));
  }
}

void check_batch(const char* op, const Tensor& x, const PackedBatch& batch) {
  check(batch.offsets.back() == x.rows(), "{}: the batch ends at token {}, the tensor has {} rows", op,
        batch.offsets.back(), x.rows());
}

/// Calls libmlx; what it throws becomes an Error that names the operation.
template <class Body>
auto guarded(const char* op, const Body& body) {
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kOutOfMemory, fmt::format("{}: libmlx ran out of memory", op));
  } catch (const std::exception& error) {
    throw Error(ErrorCode::kInternal, fmt::format("{}: libmlx: {}", op, error.what()));
  }
}

}  // namespace

mx::array MlxOps::rows_of(const mx::array& x, int begin, int end) const {
  return mx::slice(x, {begin, 0}, {end, x.shape(1)}, stream_);
}

mx::array MlxOps::stack_rows(std::vector<mx::array> parts, int columns) const {
  return parts.empty() ? mx::zeros({0, columns}, mx::float32, stream_) : mx::concatenate(std::move(parts), 0, stream_);
}

Tensor MlxOps::gather_sum(std::span<const Lookup> lookups) {
  check(!lookups.empty(), "gather_sum: no tables");
  const int columns = lookups[0].table->columns;
  const std::size_t count = lookups[0].ids.size();
  for (const Lookup& lookup : lookups) {
    check(lookup.table->columns == columns && lookup.ids.size() == count,
          "gather_sum: a table has {} columns and {} ids, the first has {} and {}", lookup.table->columns,
          lookup.ids.size(), columns, count);
    for (const std::int32_t id : lookup.ids) {
      check(id >= 0 && id < lookup.table->rows, "gather_sum: id {}, wanted 0 to {}", id, lookup.table->rows - 1);
    }
  }
  return guarded("gather_sum", [&] {
    mx::array sum = mx::zeros({static_cast<int>(count), columns}, mx::float32, stream_);
    for (const Lookup& lookup : lookups) {
      const auto& table = static_cast<const MlxTable&>(*lookup.table->storage);
      const mx::array ids(lookup.ids.data(), {static_cast<int>(count)});
      sum = mx::add(sum, mx::take(table.weight, ids, 0, stream_), stream_);
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
  }
  return x;
}

Tensor MlxOps::linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) {
  check(x.columns() == weight.in_features, "linear: input has {} columns, the weight wants {}", x.columns(),
        weight.in_features);
  check(residual.empty() || (residual.rows() == x.rows() && residual.columns() == weight.out_features),
        "linear: residual is [{}, {}], wanted [{}, {}]", residual.rows(), residual.columns(), x.rows(),
        weight.out_features);
  return guarded("linear", [&] {
    const auto& linear = static_cast<const MlxLinear&>(*weight.storage);
    mx::array y = linear.bias ? mx::addmm(*linear.bias, array_of(x), linear.weight, 1.0F, 1.0F, stream_)
                              : mx::matmul(array_of(x), linear.weight, stream_);
    y = activate(y, activation);
    return wrap(residual.empty() ? y : mx::add(y, array_of(residual), stream_));
  });
}

Tensor MlxOps::layer_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check(x.columns() == norm.size, "layer_norm: input has {} columns, the weight {}", x.columns(), norm.size);
  return guarded("layer_norm", [&] {
    const auto& weight = static_cast<const MlxNorm&>(*norm.storage);
    return wrap(mx::fast::layer_norm(array_of(x), weight.scale, weight.shift, eps, stream_));
  });
}

Tensor MlxOps::columns(const Tensor& x, int begin, int count) {
  check(begin >= 0 && count >= 0 && begin + count <= x.columns(), "columns: {} from {}, the tensor has {}", count,
        begin, x.columns());
  return guarded("columns",
                 [&] { return wrap(mx::slice(array_of(x), {0, begin}, {x.rows(), begin + count}, stream_)); });
}

mx::array MlxOps::attend_row(const mx::array& q, const mx::array& k, const mx::array& v,
                             const AttentionSpec& spec) const {
  const int length = q.shape(0);
  const auto by_head = [&](const mx::array& x, int heads) {
    // [L, H*D] -> [1, L, H, D] -> [1, H, L, D]
    return mx::transpose(mx::reshape(x, {1, length, heads, spec.head_dim}, stream_), {0, 2, 1, 3}, stream_);
  };
  const mx::array out =
      mx::fast::scaled_dot_product_attention(by_head(q, spec.num_heads), by_head(k, spec.num_kv_heads),
                                             by_head(v, spec.num_kv_heads), spec.scale, "", {}, {}, false, stream_);
  // [1, H, L, D] -> [L, H*D]
  return mx::reshape(mx::transpose(out, {0, 2, 1, 3}, stream_), {length, spec.num_heads * spec.head_dim}, stream_);
}

Tensor MlxOps::attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                         const AttentionSpec& spec) {
  check(spec.num_heads > 0 && spec.num_kv_heads > 0 && spec.num_heads % spec.num_kv_heads == 0 && spec.scale > 0.0F,
        "attention: {} heads, {} key heads, scale {}", spec.num_heads, spec.num_kv_heads, spec.scale);
  check(q.columns() == spec.num_heads * spec.head_dim, "attention: q has {} columns, wanted {} heads of {}",
        q.columns(), spec.num_heads, spec.head_dim);
  check(k.columns() == spec.num_kv_heads * spec.head_dim && v.columns() == k.columns(),
        "attention: k and v have {} and {} columns, wanted {} heads of {}", k.columns(), v.columns(), spec.num_kv_heads,
        spec.head_dim);
  check(k.rows() == q.rows() && v.rows() == q.rows(), "attention: q, k and v have {}, {} and {} rows", q.rows(),
        k.rows(), v.rows());
  check_batch("attention", q, batch);
  return guarded("attention", [&] {
    std::vector<mx::array> parts;
    for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
      const int begin = batch.offsets[row];
      const int end = batch.offsets[row + 1];
      if (begin < end) {
        parts.push_back(attend_row(rows_of(array_of(q), begin, end), rows_of(array_of(k), begin, end),
                                   rows_of(array_of(v), begin, end), spec));
      }
    }
    return wrap(stack_rows(std::move(parts), q.columns()));
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
  check_batch("pool", x, batch);
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  check(first_token.empty() || first_token.size() == rows, "pool: {} first tokens for {} rows", first_token.size(),
        rows);
  return guarded("pool", [&] {
    std::vector<mx::array> parts;
    for (std::size_t row = 0; row < rows; ++row) {
      const int begin = batch.offsets[row];
      const int first = begin + (first_token.empty() ? 0 : first_token[row]);
      parts.push_back(pool_row(array_of(x), begin, first, batch.offsets[row + 1], mode));
    }
    return wrap(stack_rows(std::move(parts), x.columns()));
  });
}

Tensor MlxOps::concat_columns(std::span<const Tensor> parts) {
  check(!parts.empty(), "concat_columns: no parts");
  for (const Tensor& part : parts) {
    check(part.rows() == parts[0].rows(), "concat_columns: a part has {} rows, the first has {}", part.rows(),
          parts[0].rows());
  }
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
  check(out.size() == static_cast<std::size_t>(x.rows()) * static_cast<std::size_t>(x.columns()),
        "read: room for {} values, wanted [{}, {}]", out.size(), x.rows(), x.columns());
  guarded("read", [&] {
    mx::array values = mx::contiguous(array_of(x), /*allow_col_major=*/false, stream_);
    values.eval();
    std::copy_n(values.data<float>(), out.size(), out.begin());
  });
}

}  // namespace mlxe::mlx_backend
