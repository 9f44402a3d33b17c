// Positions of the tokens of a packed batch, each counted within its own row.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/packed_batch.h"

namespace mlxe {

/// \param first  position of each row's first token
/// \returns [total_tokens]
[[nodiscard]] inline std::vector<std::int32_t> positions_in_rows(const PackedBatch& batch, std::int32_t first = 0) {
  std::vector<std::int32_t> positions(batch.token_ids.size());
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    for (std::int32_t token = batch.offsets[row]; token < batch.offsets[row + 1]; ++token) {
      positions[static_cast<std::size_t>(token)] = token - batch.offsets[row] + first;
    }
  }
  return positions;
}

/// As fairseq counts: tokens other than the padding get pad_token_id + 1, + 2, ..., a padding token that stands in the
/// text gets pad_token_id and is not counted.
/// \returns [total_tokens]
[[nodiscard]] inline std::vector<std::int32_t> positions_without_padding(const PackedBatch& batch,
                                                                         std::int32_t pad_token_id) {
  std::vector<std::int32_t> positions(batch.token_ids.size());
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    std::int32_t last = pad_token_id;
    for (auto token = static_cast<std::size_t>(batch.offsets[row]);
         token < static_cast<std::size_t>(batch.offsets[row + 1]); ++token) {
      positions[token] = batch.token_ids[token] == pad_token_id ? pad_token_id : ++last;
    }
  }
  return positions;
}

}  // namespace mlxe
