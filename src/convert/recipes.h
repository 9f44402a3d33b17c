// Mixed-bit recipes: which layers get more bits than the rest.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/quantization.h"

namespace mlxe {

/// mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6
[[nodiscard]] std::vector<std::string> recipe_names();

/// The bits of each layer by its path: values and down projections of the first and last eighth of the blocks and of
/// every third one between, and lm_head, get the larger number.
/// \param paths       of all layers
/// \param num_blocks  num_hidden_layers of config.json
/// \throws Error{kInvalidInput} for an unknown name, or for a model without a down_proj
/// Source: mixed_quant_predicate_builder() of mlx-lm
[[nodiscard]] std::function<std::optional<QuantizationFormat>(std::string_view path)> mixed_recipe(
    const std::string& name, int group_size, const std::vector<std::string>& paths, int num_blocks);

}  // namespace mlxe
