// The checks of the operations' arguments.
#include "tensor/check.h"

#include <algorithm>
#include <cstddef>

namespace mlxe {
namespace {

void check_batch(const char* op, const Tensor& x, const PackedBatch& batch) {
  check(!batch.offsets.empty() && batch.offsets.front() == 0 && std::ranges::is_sorted(batch.offsets),
        "{}: the batch's offsets do not ascend from 0", op);
  check(batch.offsets.back() == x.rows(), "{}: the tensor has {} rows, wanted the batch's {} tokens", op, x.rows(),
        batch.offsets.back());
}

void check_key_lengths(const char* op, const PackedBatch& batch) {
  check(batch.key_lengths.empty() || batch.key_lengths.size() + 1 == batch.offsets.size(),
        "{}: {} key lengths, wanted one for each of {} rows", op, batch.key_lengths.size(), batch.num_rows());
  for (std::size_t row = 0; row < batch.key_lengths.size(); ++row) {
    const int length = batch.offsets[row + 1] - batch.offsets[row];
    check(batch.key_lengths[row] >= 0 && batch.key_lengths[row] <= length, "{}: key length {}, wanted 0 to {}", op,
          batch.key_lengths[row], length);
  }
}

void check_relative(const PackedBatch& batch, const AttentionSpec& spec, const RelativePositions& relative) {
  check(spec.num_kv_heads == spec.num_heads,
        "attention: relative positions with {} key heads, wanted one for each of {}", spec.num_kv_heads,
        spec.num_heads);
  const std::vector<std::int32_t>& buckets = relative.bucket_of_distance;
  const auto skips = [](std::int32_t bucket, std::int32_t next) { return next != bucket && next != bucket + 1; };
  check(relative.max_distance >= 0 && buckets.size() == 2 * static_cast<std::size_t>(relative.max_distance) + 1 &&
            std::ranges::adjacent_find(buckets, skips) == buckets.end(),
        "attention: {} buckets, wanted those of distances up to {} either way, each the one before or the next",
        buckets.size(), relative.max_distance);
  const int farthest = std::clamp(batch.longest_row() - 1, 0, relative.max_distance);
  const std::int32_t least = buckets[static_cast<std::size_t>(relative.max_distance - farthest)];
  const std::int32_t greatest = buckets[static_cast<std::size_t>(relative.max_distance + farthest)];
  for (const PositionTable* positions : {relative.keys, relative.queries}) {
    if (positions == nullptr) {
      continue;
    }
    const int columns = spec.num_heads * spec.head_dim;
    check(positions->columns == columns, "attention: relative positions have {} columns, wanted {}", positions->columns,
          columns);
    check(least >= 0 && greatest < positions->buckets,
          "attention: relative positions of {} buckets, wanted those of {} to {}", positions->buckets, least, greatest);
  }
}

void check_rows(const char* op, std::span<const std::int32_t> rows, int num_rows) {
  for (const std::int32_t row : rows) {
    check(row >= 0 && row < num_rows, "{}: row {}, wanted 0 to {}", op, row, num_rows - 1);
  }
}

}  // namespace

void check_gather_sum(std::span<const Lookup> lookups) {
  check(!lookups.empty(), "gather_sum: no tables, wanted one or more");
  const int columns = lookups[0].table->columns;
  const std::size_t count = lookups[0].ids.size();
  for (const Lookup& lookup : lookups) {
    check(lookup.table->columns == columns && lookup.ids.size() == count,
          "gather_sum: a table has {} columns and {} ids, wanted the first one's {} and {}", lookup.table->columns,
          lookup.ids.size(), columns, count);
    for (const std::int32_t id : lookup.ids) {
      check(id >= 0 && id < lookup.table->rows, "gather_sum: id {}, wanted 0 to {}", id, lookup.table->rows - 1);
    }
  }
}

void check_linear(const Tensor& x, const LinearWeight& weight, const Tensor& residual) {
  check(x.columns() == weight.in_features, "linear: the input has {} columns, wanted the weight's {}", x.columns(),
        weight.in_features);
  check(residual.empty() || (residual.rows() == x.rows() && residual.columns() == weight.out_features),
        "linear: the residual is [{}, {}], wanted [{}, {}]", residual.rows(), residual.columns(), x.rows(),
        weight.out_features);
}

void check_gated_linear(const LinearWeight& weight, const Gate& gate) {
  check(weight.out_features % 2 == 0, "gated_linear: {} outputs, wanted two halves of the same size",
        weight.out_features);
  check(gate.limit > 0.0F, "gated_linear: the limit is {}, wanted more than 0", gate.limit);
}

void check_layer_norm(const Tensor& x, const NormWeight& norm) {
  check(x.columns() == norm.size, "layer_norm: the input has {} columns, wanted the weight's {}", x.columns(),
        norm.size);
}

void check_rms_norm(const Tensor& x, const NormWeight& norm) {
  check(norm.size > 0 && x.columns() % norm.size == 0,
        "rms_norm: the input has {} columns, wanted a multiple of the weight's {}", x.columns(), norm.size);
}

void check_columns(const Tensor& x, int begin, int count) {
  // No sum of the two: it might be more than an int holds.
  check(begin >= 0 && begin <= x.columns() && count >= 0 && count <= x.columns() - begin,
        "columns: {} from {} on, wanted some of {}", count, begin, x.columns());
}

void check_rope(const Tensor& x, const Tensor& table, int head_dim) {
  check(head_dim > 0 && x.columns() % head_dim == 0, "rope: the input has {} columns, wanted whole heads of {}",
        x.columns(), head_dim);
  check(table.columns() % 2 == 0 && table.columns() <= head_dim && table.rows() == x.rows(),
        "rope: the table is [{}, {}], wanted {} rows and an even number of columns up to {}", table.rows(),
        table.columns(), x.rows(), head_dim);
}

void check_short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) {
  check(x.columns() == weight.channels, "short_conv: the input has {} columns, wanted the weight's {} channels",
        x.columns(), weight.channels);
  check(padding == ConvPadding::kCausal || weight.taps % 2 == 1, "short_conv: {} taps, wanted an odd number",
        weight.taps);
  check_batch("short_conv", x, batch);
  check_key_lengths("short_conv", batch);
}

void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check(a.rows() == b.rows() && a.columns() == b.columns(), "{}: the second tensor is [{}, {}], wanted [{}, {}]", op,
        b.rows(), b.columns(), a.rows(), a.columns());
}

void check_take_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  check_rows("take_rows", rows, x.rows());
}

void check_add_rows(const Tensor& base, const Tensor& x, std::span<const std::int32_t> rows,
                    std::span<const float> factors) {
  check_rows("add_rows", rows, base.rows());
  check(static_cast<std::size_t>(x.rows()) == rows.size() && x.columns() == base.columns(),
        "add_rows: what is added is [{}, {}], wanted [{}, {}]", x.rows(), x.columns(), rows.size(), base.columns());
  check(factors.size() == rows.size(), "add_rows: {} factors, wanted one for each of {} rows", factors.size(),
        rows.size());
}

void check_pool(const Tensor& x, const PackedBatch& batch, std::span<const std::int32_t> first_token) {
  check_batch("pool", x, batch);
  check(first_token.empty() || first_token.size() + 1 == batch.offsets.size(),
        "pool: {} first tokens, wanted one for each of {} rows", first_token.size(), batch.num_rows());
  for (const std::int32_t first : first_token) {
    check(first >= 0, "pool: first token {}, wanted 0 or more", first);
  }
}

void check_concat_columns(std::span<const Tensor> parts) {
  check(!parts.empty(), "concat_columns: no parts, wanted one or more");
  for (const Tensor& part : parts) {
    check(part.rows() == parts[0].rows(), "concat_columns: a part has {} rows, wanted the first one's {}", part.rows(),
          parts[0].rows());
  }
}

void check_read(const Tensor& x, std::span<float> out) {
  check(out.size() == static_cast<std::size_t>(x.rows()) * static_cast<std::size_t>(x.columns()),
        "read: room for {} values, wanted that for [{}, {}]", out.size(), x.rows(), x.columns());
}

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                     const AttentionSpec& spec, const TokenChoice& wanted) {
  check(spec.num_heads > 0 && spec.num_kv_heads > 0 && spec.num_heads % spec.num_kv_heads == 0 && spec.scale > 0.0F,
        "attention: {} heads, {} key heads, scale {}, wanted heads that the key heads divide and a scale above 0",
        spec.num_heads, spec.num_kv_heads, spec.scale);
  check(q.columns() == spec.num_heads * spec.head_dim, "attention: q has {} columns, wanted {} heads of {}",
        q.columns(), spec.num_heads, spec.head_dim);
  check(k.columns() == spec.num_kv_heads * spec.head_dim && v.columns() == k.columns(),
        "attention: k and v have {} and {} columns, wanted {} heads of {}", k.columns(), v.columns(), spec.num_kv_heads,
        spec.head_dim);
  check(k.rows() == q.rows() && v.rows() == q.rows(), "attention: k and v have {} and {} rows, wanted q's {}", k.rows(),
        v.rows(), q.rows());
  check_batch("attention", q, batch);
  check_key_lengths("attention", batch);
  if (wanted) {
    check_rows("attention", *wanted, q.rows());
  }
  check(spec.left_window >= 0 && spec.right_window >= 0, "attention: windows are {} and {}, wanted 0 or more",
        spec.left_window, spec.right_window);
  const auto heads = static_cast<std::size_t>(spec.num_heads);
  if (spec.sinks != nullptr) {
    check(spec.sinks->size() == heads, "attention: {} sinks, wanted one for each of {} heads", spec.sinks->size(),
          heads);
  }
  if (const DistanceBias* bias = spec.distance_bias) {
    check(bias->max_distance >= 0 &&
              bias->values.size() == heads * (2 * static_cast<std::size_t>(bias->max_distance) + 1),
          "attention: {} distance biases, wanted those of {} heads and distances up to {} either way",
          bias->values.size(), heads, bias->max_distance);
  }
  if (spec.relative != nullptr) {
    check_relative(batch, spec, *spec.relative);
  }
}

}  // namespace mlxe
