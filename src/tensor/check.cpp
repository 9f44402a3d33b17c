// The checks of attention's arguments.
#include "tensor/check.h"

#include <algorithm>
#include <cstddef>

namespace mlxe {

void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
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
  check_key_lengths("attention", batch);
  check(spec.left_window >= 0 && spec.right_window >= 0, "attention: windows are {} and {}, wanted 0 or more",
        spec.left_window, spec.right_window);
  const auto heads = static_cast<std::size_t>(spec.num_heads);
  if (spec.sinks != nullptr) {
    check(spec.sinks->size() == heads, "attention: {} sinks for {} heads", spec.sinks->size(), heads);
  }
  if (const DistanceBias* bias = spec.distance_bias) {
    check(bias->max_distance >= 0 &&
              bias->values.size() == heads * (2 * static_cast<std::size_t>(bias->max_distance) + 1),
          "attention: {} distance biases for {} heads and distances up to {}", bias->values.size(), heads,
          bias->max_distance);
  }
  if (const RelativeScores* relative = spec.relative) {
    const int columns = spec.num_heads * relative->num_buckets;
    for (const Tensor* scores : {&relative->by_query, &relative->by_key}) {
      check(scores->empty() || (scores->rows() == q.rows() && scores->columns() == columns),
            "attention: relative scores are [{}, {}], wanted [{}, {}]", scores->rows(), scores->columns(), q.rows(),
            columns);
    }
    check(relative->bucket_of_distance.size() == 2 * static_cast<std::size_t>(relative->max_distance) + 1 &&
              std::ranges::all_of(relative->bucket_of_distance,
                                  [&](std::int32_t bucket) { return bucket >= 0 && bucket < relative->num_buckets; }),
          "attention: {} buckets of distances up to {}, each wanted in 0 to {}", relative->bucket_of_distance.size(),
          relative->max_distance, relative->num_buckets - 1);
  }
}

}  // namespace mlxe
