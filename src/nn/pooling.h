// Pooling: hidden states of a text's tokens to one vector, in every mode of sentence-transformers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tensor/ops.h"

namespace mlxe {

struct PoolingSpec {
  std::vector<PoolingMode> modes;  ///< one or more; several are put side by side in this order
  bool include_prompt = true;      ///< false: the prompt's tokens take no part (INSTRUCTOR-style models)
};

/// "mean", "mean_sqrt_len_tokens", "cls+mean", ...: the modes of sentence-transformers, joined by '+'.
/// \throws Error{kInvalidInput} listing the known modes
[[nodiscard]] PoolingSpec parse_pooling(std::string_view text);
[[nodiscard]] std::string to_string(const PoolingSpec& spec);

/// The one token of each text whose state is the pooled vector; nothing where pooling reads more than one.
[[nodiscard]] TokenChoice pooled_tokens(const PackedBatch& batch, const PoolingSpec& spec);

/// \returns [batch.num_rows(), x.columns() * spec.modes.size()]
[[nodiscard]] Tensor pool(Ops& ops, const Tensor& x, const PackedBatch& batch, const PoolingSpec& spec);

}  // namespace mlxe
