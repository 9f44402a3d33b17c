// CpuOps: attention, one (sequence, key head) at a time, and its rotary positions.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_tensor.h"
#include "backend/cpu/cpu_weights.h"

namespace mlxe::cpu {
namespace {

int num_buckets(const AttentionSpec& spec) {
  const auto buckets = [](const PositionTable* table) { return table == nullptr ? 0 : table->buckets; };
  return spec.relative == nullptr ? 0 : std::max(buckets(spec.relative->keys), buckets(spec.relative->queries));
}

/// Fills in sinks, biases and relative positions of the query heads from `first_head` on.
void set_biases(const AttentionSpec& spec, int first_head, AttentionArgs& args) {
  if (spec.sinks != nullptr) {
    args.sinks = spec.sinks->data() + first_head;
    args.biased = true;
  }
  if (const DistanceBias* bias = spec.distance_bias) {
    args.max_distance = bias->max_distance;
    args.ld_distance_bias = 2 * static_cast<std::ptrdiff_t>(bias->max_distance) + 1;
    args.distance_bias = bias->values.data() + first_head * args.ld_distance_bias;
    args.biased = true;
  }
  // Without a table there is nothing to compare with, and no room for the places of distances.
  if (const RelativePositions* relative = spec.relative; num_buckets(spec) > 0) {
    const auto of_head = [&](const PositionTable* table) {
      return table == nullptr ? PackedPositions() : static_cast<const CpuPositions&>(*table->storage).head(first_head);
    };
    args.position_keys = of_head(relative->keys);
    args.position_queries = of_head(relative->queries);
    args.num_buckets = num_buckets(spec);
    args.bucket_of_distance = relative->bucket_of_distance.data();
    args.max_relative_distance = relative->max_distance;
    args.biased = true;
  }
}

/// Places in a row of the batch, [begin, end).
struct Places {
  int begin = 0;
  int end = 0;
};

/// Of each row, from the first wanted token to the last one: nearly always one token of a text.
std::vector<Places> wanted_places(const PackedBatch& batch, const TokenChoice& wanted) {
  std::vector<Places> places(static_cast<std::size_t>(batch.num_rows()));
  if (!wanted) {
    for (std::size_t row = 0; row < places.size(); ++row) {
      places[row].end = batch.offsets[row + 1] - batch.offsets[row];
    }
    return places;
  }
  for (const std::int32_t token : *wanted) {
    const auto after = std::ranges::upper_bound(batch.offsets, token);  // of the row that owns it
    const auto row = static_cast<std::size_t>(after - batch.offsets.begin()) - 1;
    const int place = token - batch.offsets[row];
    Places& of_row = places[row];
    of_row.begin = of_row.end == 0 ? place : std::min(of_row.begin, place);
    of_row.end = std::max(of_row.end, place + 1);
  }
  return places;
}

}  // namespace

Tensor CpuOps::attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                         const AttentionSpec& spec, const TokenChoice& wanted) {
  check_attention(q, k, v, batch, spec, wanted);
  Tensor result = make(q.rows(), q.columns());  // of the wanted tokens; the other rows may hold anything
  const std::vector<Places> places = wanted_places(batch, wanted);
  const int group = spec.num_heads / spec.num_kv_heads;
  const AttentionSize size = {batch.longest_row(), spec.head_dim, group, num_buckets(spec)};
  const Scratch scratch(arena_, attention_.scratch_floats(size), team_.size());
  const auto attend = [&](int index, int member) {
    const auto row = static_cast<std::size_t>(index / spec.num_kv_heads);
    const int kv_head = index % spec.num_kv_heads;
    if (places[row].begin == places[row].end) {
      return;
    }
    const std::ptrdiff_t first = batch.offsets[row];
    const int q_column = kv_head * group * spec.head_dim;
    const int kv_column = kv_head * spec.head_dim;
    AttentionArgs args;
    args.q = cpu(q).data + first * cpu(q).ld + q_column;
    args.ldq = cpu(q).ld;
    args.query_begin = places[row].begin;
    args.query_end = places[row].end;
    args.k = cpu(k).data + first * cpu(k).ld + kv_column;
    args.ldk = cpu(k).ld;
    args.v = cpu(v).data + first * cpu(v).ld + kv_column;
    args.ldv = cpu(v).ld;
    args.out = cpu(result).data + first * cpu(result).ld + q_column;
    args.ldo = cpu(result).ld;
    args.length = batch.offsets[row + 1] - batch.offsets[row];
    args.key_length = batch.key_lengths.empty() ? args.length : batch.key_lengths[row];
    args.head_dim = spec.head_dim;
    args.num_q_heads = group;
    args.scale = spec.scale;
    args.left_window = spec.left_window;
    args.right_window = spec.right_window;
    set_biases(spec, kv_head * group, args);
    args.scratch = scratch.of(member);
    attention_.attention(args);
  };
  constexpr int kShortText = 64;  // a head of one takes no longer than to hand it out
  const int count = batch.num_rows() * spec.num_kv_heads;
  const int pieces = batch.longest_row() <= kShortText ? num_pieces(count) : count;
  for_pieces(pieces, [&](int piece, int member) {
    for (int i = begin_of_share(piece, pieces, count); i < begin_of_share(piece + 1, pieces, count); ++i) {
      attend(i, member);
    }
  });
  return wanted ? take_rows(result, *wanted) : result;
}

Tensor CpuOps::rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                            float scale) {
  const auto pairs = static_cast<std::ptrdiff_t>(inverse_frequencies.size());
  Tensor result = make(static_cast<int>(positions.size()), static_cast<int>(2 * pairs));
  for_rows(result.rows(), [&](int begin, int end) {
    for (int row = begin; row < end; ++row) {
      float* cosines = cpu(result).data + row * cpu(result).ld;
      for (std::ptrdiff_t i = 0; i < pairs; ++i) {
        const float angle = static_cast<float>(positions[static_cast<std::size_t>(row)]) *
                            inverse_frequencies[static_cast<std::size_t>(i)];
        cosines[i] = static_cast<float>(std::cos(static_cast<double>(angle))) * scale;
        cosines[pairs + i] = static_cast<float>(std::sin(static_cast<double>(angle))) * scale;
      }
    }
  });
  return result;
}

Tensor CpuOps::rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs pairs) {
  check_rope(x, table, head_dim);
  Tensor result = make(x.rows(), x.columns());
  for_rows(x.rows(), [&](int begin, int end) {
    RopeArgs args;
    args.x = cpu(x).data + begin * cpu(x).ld;
    args.ldx = cpu(x).ld;
    args.y = cpu(result).data + begin * cpu(result).ld;
    args.ldy = cpu(result).ld;
    args.table = cpu(table).data + begin * cpu(table).ld;
    args.ldt = cpu(table).ld;
    args.rows = end - begin;
    args.heads = x.columns() / head_dim;
    args.head_dim = head_dim;
    args.pairs = table.columns() / 2;
    args.layout = pairs;
    vector_.rope(args);
  });
  return result;
}

}  // namespace mlxe::cpu
