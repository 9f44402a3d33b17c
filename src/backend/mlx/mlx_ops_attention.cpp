// MlxOps: attention, one row of the batch at a time, and its rotary positions.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "backend/mlx/mlx_ops.h"
#include "backend/mlx/mlx_tensor.h"
#include "backend/mlx/mlx_weights.h"

namespace mlxe::mlx_backend {
namespace {

/// How MLX's own attention is told who sees whom.
enum class Mask { kNone, kCausal, kWindow };

/// Nothing where MLX's own attention cannot serve: scores with biases, and tokens that may see nothing, for which it
/// gives NaN instead of zeros.
std::optional<Mask> mask_of(const AttentionSpec& spec, int length, int keys) {
  if (spec.distance_bias != nullptr || spec.relative != nullptr || keys == 0) {
    return std::nullopt;
  }
  if (spec.left_window >= length && spec.right_window >= length) {
    return Mask::kNone;
  }
  if (keys < length) {
    return std::nullopt;
  }
  return spec.left_window >= length && spec.right_window == 0 ? Mask::kCausal : Mask::kWindow;
}

}  // namespace

mx::array MlxOps::distances(int length, int keys) const {
  const mx::array queries = mx::reshape(mx::arange(length, stream_), {length, 1}, stream_);
  return mx::subtract(mx::arange(keys, stream_), queries, stream_);
}

mx::array MlxOps::visible(const mx::array& distance, const AttentionSpec& spec) const {
  const mx::array left = mx::greater_equal(distance, mx::array(-spec.left_window), stream_);
  return mx::logical_and(left, mx::less_equal(distance, mx::array(spec.right_window), stream_), stream_);
}

mx::array MlxOps::bucket(const mx::array& distance, int largest) const {
  const mx::array clamped =
      mx::minimum(mx::maximum(distance, mx::array(-largest), stream_), mx::array(largest), stream_);
  return mx::add(clamped, mx::array(largest), stream_);
}

std::optional<mx::array> MlxOps::attend_row(const mx::array& q, const mx::array& k, const mx::array& v, int keys,
                                            const AttentionSpec& spec) const {
  const int length = q.shape(0);
  const std::optional<Mask> mask = mask_of(spec, length, keys);
  if (!mask) {
    return std::nullopt;
  }
  const auto by_head = [&](const mx::array& x, int heads, int count) {
    // [L, H*D] -> [1, count, H, D] -> [1, H, count, D]
    return mx::transpose(mx::reshape(rows_of(x, 0, count), {1, count, heads, spec.head_dim}, stream_), {0, 2, 1, 3},
                         stream_);
  };
  std::optional<mx::array> seen;  // [L, keys]
  if (*mask == Mask::kWindow) {
    seen = visible(distances(length, keys), spec);
  }
  std::optional<mx::array> sinks;
  if (spec.sinks != nullptr) {
    sinks = to_array(*spec.sinks, {spec.num_heads});
  }
  const mx::array out = mx::fast::scaled_dot_product_attention(
      by_head(q, spec.num_heads, length), by_head(k, spec.num_kv_heads, keys), by_head(v, spec.num_kv_heads, keys),
      spec.scale, *mask == Mask::kCausal ? "causal" : "", seen, sinks, false, stream_);
  // [1, H, L, D] -> [L, H*D]
  return mx::reshape(mx::transpose(out, {0, 2, 1, 3}, stream_), {length, spec.num_heads * spec.head_dim}, stream_);
}

mx::array MlxOps::biases(const mx::array& q, const mx::array& k, const AttentionSpec& spec) const {
  const mx::array distance = distances(q.shape(1), k.shape(1));
  mx::array sum = mx::array(0.0F);
  if (const DistanceBias* bias = spec.distance_bias) {
    const mx::array table = to_array(bias->values, {spec.num_heads, 2 * bias->max_distance + 1});
    sum = mx::take(table, bucket(distance, bias->max_distance), 1, stream_);  // [H, L, keys]
  }
  if (const RelativePositions* relative = spec.relative) {
    const mx::array bucket_of_distance(relative->bucket_of_distance.data(),
                                       {static_cast<int>(relative->bucket_of_distance.size())});
    const mx::array query_minus_key = mx::negative(distance, stream_);
    const mx::array of_distances =
        mx::take(bucket_of_distance, bucket(query_minus_key, relative->max_distance), 0, stream_);
    // Only buckets that these tokens reach are compared with.
    const int farthest = std::min(std::max(q.shape(1), k.shape(1)) - 1, relative->max_distance);
    const auto bucket_at = [&](int far) {
      return relative->bucket_of_distance[static_cast<std::size_t>(far + relative->max_distance)];
    };
    const int first = bucket_at(-farthest);
    const int count = bucket_at(farthest) - first + 1;
    const mx::array buckets = mx::expand_dims(mx::subtract(of_distances, mx::array(first), stream_), 0, stream_);
    // x [H, T, D] with positions [B, H*D] -> [H, T, B]
    const auto compare = [&](const mx::array& x, const PositionTable& positions) {
      const mx::array& table = *static_cast<const MlxTable&>(*positions.storage).weight;
      const mx::array reached = mx::slice(table, {first, 0}, {first + count, positions.columns}, stream_);
      const mx::array split = mx::reshape(reached, {count, spec.num_heads, spec.head_dim}, stream_);
      return mx::matmul(x, mx::transpose(split, {1, 2, 0}, stream_), stream_);
    };
    if (relative->keys != nullptr) {
      sum = mx::add(sum, mx::take_along_axis(compare(q, *relative->keys), buckets, 2, stream_), stream_);
    }
    if (relative->queries != nullptr) {
      const mx::array turned =
          mx::take_along_axis(compare(k, *relative->queries), mx::transpose(buckets, {0, 2, 1}, stream_), 2, stream_);
      sum = mx::add(sum, mx::transpose(turned, {0, 2, 1}, stream_), stream_);  // [H, keys, L] -> [H, L, keys]
    }
  }
  return sum;
}

mx::array MlxOps::attend_row_by_hand(const mx::array& q, const mx::array& k, const mx::array& v,
                                     const PackedBatch& batch, std::size_t row, const AttentionSpec& spec) const {
  const int length = q.shape(0);
  const int keys = batch.key_lengths.empty() ? length : batch.key_lengths[row];
  if (keys == 0) {
    return mx::zeros({length, spec.num_heads * spec.head_dim}, mx::float32, stream_);
  }
  const mx::array seen = mx::expand_dims(visible(distances(length, keys), spec), 0, stream_);  // [1, L, keys]
  const int group = spec.num_heads / spec.num_kv_heads;
  // [L, H*D] -> [H, L, D]; key heads repeat for their group
  const auto by_head = [&](const mx::array& x, int heads, int count) {
    const mx::array split = mx::transpose(
        mx::reshape(mx::slice(x, {0, 0}, {count, x.shape(1)}, stream_), {count, heads, spec.head_dim}, stream_),
        {1, 0, 2}, stream_);
    return heads == spec.num_heads ? split : mx::repeat(split, group, 0, stream_);
  };
  const mx::array query_heads = by_head(q, spec.num_heads, length);
  const mx::array key_heads = by_head(k, spec.num_kv_heads, keys);
  mx::array scores = mx::matmul(query_heads, mx::transpose(key_heads, {0, 2, 1}, stream_), stream_);
  scores = mx::add(mx::multiply(scores, mx::array(spec.scale), stream_), biases(query_heads, key_heads, spec), stream_);
  // The softmax by hand: hidden keys weigh nothing, sinks take part, and a token that sees nothing gets zeros.
  const mx::array lowest = mx::array(std::numeric_limits<float>::lowest());
  scores = mx::where(seen, scores, lowest, stream_);
  mx::array largest = mx::max(scores, 2, /*keepdims=*/true, stream_);  // [H, L, 1]
  mx::array sinks = mx::array(0.0F);
  if (spec.sinks != nullptr) {
    sinks = to_array(*spec.sinks, {spec.num_heads, 1, 1});
    largest = mx::maximum(largest, sinks, stream_);
  }
  const mx::array weights = mx::multiply(mx::exp(mx::subtract(scores, largest, stream_), stream_),
                                         mx::astype(seen, mx::float32, stream_), stream_);
  mx::array total = mx::sum(weights, 2, /*keepdims=*/true, stream_);
  if (spec.sinks != nullptr) {
    total = mx::add(total, mx::exp(mx::subtract(sinks, largest, stream_), stream_), stream_);
  }
  total = mx::where(mx::greater(total, mx::array(0.0F), stream_), total, mx::array(1.0F), stream_);
  const mx::array out =
      mx::matmul(mx::divide(weights, total, stream_), by_head(v, spec.num_kv_heads, keys), stream_);  // [H, L, D]
  return mx::reshape(mx::transpose(out, {1, 0, 2}, stream_), {length, spec.num_heads * spec.head_dim}, stream_);
}

Tensor MlxOps::attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                         const AttentionSpec& spec, const TokenChoice& wanted) {
  check_attention(q, k, v, batch, spec, wanted);
  const Tensor all = guarded("attention", [&] {
    std::vector<mx::array> parts;
    for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
      const int begin = batch.offsets[row];
      const int end = batch.offsets[row + 1];
      if (begin < end) {
        const mx::array q_row = rows_of(array_of(q), begin, end);
        const mx::array k_row = rows_of(array_of(k), begin, end);
        const mx::array v_row = rows_of(array_of(v), begin, end);
        const int keys = batch.key_lengths.empty() ? end - begin : batch.key_lengths[row];
        std::optional<mx::array> part = attend_row(q_row, k_row, v_row, keys, spec);
        parts.push_back(part ? *std::move(part) : attend_row_by_hand(q_row, k_row, v_row, batch, row, spec));
      }
    }
    return wrap(stack_rows(std::move(parts), q.columns()));
  });
  return wanted ? take_rows(all, *wanted) : all;
}

Tensor MlxOps::rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                            float scale) {
  return guarded("rotary_table", [&] {
    // On the host: the sines of large angles are not equally exact on every device.
    std::vector<float> table;  // [positions, 2 * frequencies]
    for (const std::int32_t position : positions) {
      std::vector<float> sines;
      for (const float frequency : inverse_frequencies) {
        const auto angle = static_cast<double>(static_cast<float>(position) * frequency);
        table.push_back(static_cast<float>(std::cos(angle)) * scale);
        sines.push_back(static_cast<float>(std::sin(angle)) * scale);
      }
      table.insert(table.end(), sines.begin(), sines.end());
    }
    return wrap(
        to_array(table, {static_cast<int>(positions.size()), 2 * static_cast<int>(inverse_frequencies.size())}));
  });
}

Tensor MlxOps::rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs pairs) {
  check_rope(x, table, head_dim);
  return guarded("rope", [&] {
    const int count = table.columns() / 2;
    const int tokens = x.rows();
    const int heads = x.columns() / head_dim;
    const mx::array split = mx::reshape(array_of(x), {tokens, heads, head_dim}, stream_);
    const auto part = [&](const mx::array& a, int begin, int end) {
      return mx::slice(a, {0, 0, begin}, {tokens, a.shape(1), end}, stream_);
    };
    const mx::array angles = mx::reshape(array_of(table), {tokens, 1, 2 * count}, stream_);
    const mx::array cosines = part(angles, 0, count);
    const mx::array sines = part(angles, count, 2 * count);
    const mx::array turning = part(split, 0, 2 * count);
    const bool halves = pairs == RopePairs::kHalves;
    // [T, H, 2n] -> first and second values of the pairs, each [T, H, n]
    const mx::array neighbours = mx::reshape(turning, {tokens, heads, count, 2}, stream_);
    const auto neighbour = [&](int i) {
      return mx::reshape(mx::slice(neighbours, {0, 0, 0, i}, {tokens, heads, count, i + 1}, stream_),
                         {tokens, heads, count}, stream_);
    };
    const mx::array a = halves ? part(turning, 0, count) : neighbour(0);
    const mx::array b = halves ? part(turning, count, 2 * count) : neighbour(1);
    const auto times = [&](const mx::array& l, const mx::array& r) { return mx::multiply(l, r, stream_); };
    const mx::array first = mx::subtract(times(a, cosines), times(b, sines), stream_);
    const mx::array second = mx::add(times(b, cosines), times(a, sines), stream_);
    mx::array turned = halves
                           ? mx::concatenate({first, second}, 2, stream_)
                           : mx::reshape(mx::stack({first, second}, 3, stream_), {tokens, heads, 2 * count}, stream_);
    if (2 * count < head_dim) {
      turned = mx::concatenate({turned, part(split, 2 * count, head_dim)}, 2, stream_);
    }
    return wrap(mx::reshape(turned, {tokens, x.columns()}, stream_));
  });
}

}  // namespace mlxe::mlx_backend
