// Greedy packing of texts sorted by length.
#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>

namespace mlxe {

std::size_t window_size(std::size_t count, std::size_t max_texts, std::size_t max_bytes,
                        const std::function<std::size_t(std::size_t index)>& size_bytes) {
  std::size_t bytes = 0;
  std::size_t taken = 0;
  while (taken < count && taken < max_texts) {
    bytes += size_bytes(taken);
    if (taken > 0 && bytes > max_bytes) {
      break;
    }
    ++taken;
  }
  return taken;
}

std::vector<std::vector<std::size_t>> schedule(std::span<const std::size_t> lengths, std::size_t batch_tokens,
                                               std::size_t workers) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Stable, so that the same texts always meet in the same micro-batches.
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t index) { return lengths[index]; });

  // Rounds of one group for each worker, as few as must be, and all groups of nearly the same size.
  std::size_t total = 0;  // of texts that share a group
  for (const std::size_t length : lengths) {
    total += length <= batch_tokens ? length : 0;
  }
  const std::size_t rounds = std::max<std::size_t>(1, (total + batch_tokens * workers - 1) / (batch_tokens * workers));
  const std::size_t usual = (total + rounds * workers - 1) / (rounds * workers);

  std::vector<std::vector<std::size_t>> groups;
  std::size_t tokens = 0;  // of the last group
  for (const std::size_t index : order) {
    if (lengths[index] == 0) {
      break;  // only texts without tokens are left
    }
    // To the nearest, as groups that all stayed below would need one more.
    if (groups.empty() || tokens + lengths[index] > batch_tokens || tokens + lengths[index] / 2 > usual) {
      groups.emplace_back();
      tokens = 0;
    }
    groups.back().push_back(index);
    tokens += lengths[index];
  }
  return groups;
}

std::size_t num_shared_groups(std::span<const double> costs, std::size_t workers) {
  constexpr double kWorthwhile = 1.1;  // a team loses a few percent to its meetings
  double left = std::accumulate(costs.begin(), costs.end(), 0.0);
  std::size_t count = 0;
  while (count < costs.size() && costs[count] * static_cast<double>(workers) > kWorthwhile * left) {
    left -= costs[count];
    ++count;
  }
  return count;
}

double group_cost(std::span<const std::size_t> lengths, std::span<const std::size_t> group, int hidden_size) {
  double cost = 0.0;
  for (const std::size_t index : group) {
    const auto length = static_cast<double>(lengths[index]);
    cost += length * (1.0 + length / (6.0 * hidden_size));
  }
  return cost;
}

PackedBatch pack(std::span<const Encoding> encodings, std::span<const std::size_t> indices) {
  PackedBatch batch;
  for (const std::size_t index : indices) {
    const Encoding& encoding = encodings[index];
    batch.token_ids.insert(batch.token_ids.end(), encoding.ids.begin(), encoding.ids.end());
    batch.type_ids.insert(batch.type_ids.end(), encoding.type_ids.begin(), encoding.type_ids.end());
    batch.offsets.push_back(static_cast<std::int32_t>(batch.token_ids.size()));
  }
  return batch;
}

}  // namespace mlxe
