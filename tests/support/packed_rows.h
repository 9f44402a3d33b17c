// A packed batch from the lengths of its rows.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "tensor/packed_batch.h"

namespace mlxe::testing {

/// Ids and types are zeros.
inline PackedBatch rows_of_length(std::initializer_list<int> lengths) {
  PackedBatch batch;
  for (const int length : lengths) {
    batch.offsets.push_back(batch.offsets.back() + length);
  }
  batch.token_ids.resize(static_cast<std::size_t>(batch.offsets.back()));
  batch.type_ids.resize(batch.token_ids.size());
  return batch;
}

}  // namespace mlxe::testing
