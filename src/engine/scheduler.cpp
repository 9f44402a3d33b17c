// Greedy packing of texts sorted by length.
#include "engine/scheduler.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <vector>

namespace mlxe {
namespace {

/// Of a group that is shared, over that of one worker alone: a team loses some time to its meetings, the more the
/// larger it is. On two cores it is less than this; larger teams were not measured, and shall only share what clearly
/// pays.
double team_cost(std::size_t workers) {
  return 1.0 + 0.05 * static_cast<double>(workers);
}

/// All workers on each of the first `shared` groups, then each worker takes the next group when it is done with one.
double time_to_finish(std::span<const double> costs, std::size_t shared, std::size_t workers) {
  const std::span<const double> first = costs.first(shared);
  const double together =
      team_cost(workers) * std::accumulate(first.begin(), first.end(), 0.0) / static_cast<double>(workers);
  std::priority_queue<double, std::vector<double>, std::greater<>> busy_until;
  for (std::size_t worker = 0; worker < workers; ++worker) {
    busy_until.push(0.0);
  }
  double last = 0.0;
  for (const double cost : costs.subspan(shared)) {
    const double end = busy_until.top() + cost;
    busy_until.pop();
    busy_until.push(end);
    last = std::max(last, end);
  }
  return together + last;
}

}  // namespace

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
  double left = std::accumulate(costs.begin(), costs.end(), 0.0);
  std::size_t count = 0;
  while (count < costs.size() && costs[count] * static_cast<double>(workers) > team_cost(workers) * left) {
    left -= costs[count];
    ++count;
  }
  constexpr std::size_t kManyRounds = 32;  // after them an uneven end is a few percent at most
  constexpr double kWorthwhile = 0.97;     // costs are estimates
  if (costs.size() - count > kManyRounds * workers) {
    return count;
  }
  std::size_t best = count;
  double least = time_to_finish(costs, best, workers);
  for (std::size_t shared = count + 1; shared < count + workers && shared <= costs.size(); ++shared) {
    const double time = time_to_finish(costs, shared, workers);
    if (time < kWorthwhile * least) {
      best = shared;
      least = time;
    }
  }
  return best;
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
