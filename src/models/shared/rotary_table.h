// The rotary table of a batch, for the frequencies that a configuration has.
#pragma once

#include <cstdint>
#include <vector>

#include "models/shared/rope_config.h"
#include "nn/positions.h"
#include "tensor/ops.h"

namespace mlxe {

/// Ops::rotary_table() for each token's position in its text. Which of LongRoPE's frequencies a text has is decided by
/// its own length: transformers goes by the longest of a batch, which is the same for a text alone.
[[nodiscard]] inline Tensor rotary_table(Ops& ops, const PackedBatch& batch, const RopeFrequencies& rope) {
  const std::vector<std::int32_t> positions = positions_in_rows(batch);
  const Tensor table = ops.rotary_table(positions, rope.inverse, rope.scale);
  if (rope.long_inverse.empty()) {
    return table;
  }
  std::vector<std::int32_t> tokens;  // of long texts
  std::vector<std::int32_t> places;
  for (int row = 0; row < batch.num_rows(); ++row) {
    const std::int32_t begin = batch.offsets[static_cast<std::size_t>(row)];
    const std::int32_t end = batch.offsets[static_cast<std::size_t>(row) + 1];
    for (std::int32_t token = begin; end - begin > rope.short_context && token < end; ++token) {
      tokens.push_back(token);
      places.push_back(token - begin);
    }
  }
  if (tokens.empty()) {
    return table;
  }
  // x - x is 0 and 0 + y is y, to the bit.
  const Tensor others =
      ops.add_rows(table, ops.take_rows(table, tokens), tokens, std::vector<float>(tokens.size(), -1.0F));
  return ops.add_rows(others, ops.rotary_table(places, rope.long_inverse, rope.scale), tokens,
                      std::vector<float>(tokens.size(), 1.0F));
}

}  // namespace mlxe
