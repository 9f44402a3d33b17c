// Chunks of rows that bound the memory of logits.
#include "engine/logit_rows.h"

#include <algorithm>
#include <numeric>

namespace mlxe {
namespace {

constexpr std::size_t kChunkValues = std::size_t{8} << 20U;  // 32 MB of float32 for each worker
constexpr std::size_t kSmallestChunk = 16;                   // rows that a product needs to be worth its while

}  // namespace

int logits_width(const LoadedModel& loaded) {
  return loaded.task.head.kind == HeadKind::kMaskedLm ? loaded.model->traits().vocab_size : loaded.task.head.num_labels;
}

std::vector<std::int32_t> all_rows(const PackedBatch& batch) {
  std::vector<std::int32_t> rows(batch.token_ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::size_t row_of_token(const PackedBatch& batch, std::size_t token) {
  const auto after = std::ranges::upper_bound(batch.offsets, static_cast<std::int32_t>(token));
  return static_cast<std::size_t>(after - batch.offsets.begin()) - 1;
}

void for_each_logit_row(const LoadedModel& loaded, Ops& ops, const Tensor& hidden, const PackedBatch& batch,
                        std::span<const std::int32_t> tokens,
                        const std::function<void(std::size_t token, std::span<const float> logits)>& take) {
  const auto width = static_cast<std::size_t>(logits_width(loaded));
  const std::size_t chunk = std::max(kSmallestChunk, kChunkValues / width);
  std::vector<float> values;
  for (std::size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const std::span<const std::int32_t> some = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
    const bool whole = some.size() == batch.token_ids.size();
    values.resize(some.size() * width);
    ops.read(loaded.model->logits(ops, whole ? hidden : ops.take_rows(hidden, some), batch), values);
    for (std::size_t row = 0; row < some.size(); ++row) {
      take(static_cast<std::size_t>(some[row]), std::span(values).subspan(row * width, width));
    }
  }
}

}  // namespace mlxe
