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

std::size_t row_of_token(const PackedBatch& batch, std::size_t token) {
  const auto after = std::ranges::upper_bound(batch.offsets, static_cast<std::int32_t>(token));
  return static_cast<std::size_t>(after - batch.offsets.begin()) - 1;
}

void for_each_logit_row(const LoadedModel& loaded, Ops& ops, const PackedBatch& batch, const TokenChoice& tokens,
                        const std::function<void(std::size_t token, std::span<const float> logits)>& take) {
  const Tensor hidden = loaded.model->forward(ops, batch, tokens);  // [tokens, hidden]
  const auto num_rows = static_cast<std::size_t>(hidden.rows());
  const auto width = static_cast<std::size_t>(logits_width(loaded));
  const std::size_t chunk = std::max(kSmallestChunk, kChunkValues / width);
  std::vector<std::int32_t> rows;
  std::vector<float> values;
  for (std::size_t begin = 0; begin < num_rows; begin += chunk) {
    rows.resize(std::min(chunk, num_rows - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::int32_t>(begin));
    values.resize(rows.size() * width);
    const Tensor some = rows.size() == num_rows ? hidden : ops.take_rows(hidden, rows);
    ops.read(loaded.model->logits(ops, some, batch), values);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::size_t row = begin + i;
      take(tokens ? static_cast<std::size_t>((*tokens)[row]) : row, std::span(values).subspan(i * width, width));
    }
  }
}

}  // namespace mlxe
