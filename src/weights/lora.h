// LoRA adapters as peft saves them, merged into a checkpoint's weights while they are loaded.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "weights/weight_map.h"

namespace mlxe {

/// What adapter_config.json says and the merging needs.
struct LoraConfig {
  std::string base_model;                     ///< base_model_name_or_path; may be empty
  int rank = 0;                               ///< of every module that `ranks` does not name
  double alpha = 0;                           ///< likewise
  std::map<std::string, int> ranks = {};      ///< rank_pattern: the end of a module's name -> its rank
  std::map<std::string, double> alphas = {};  ///< alpha_pattern
  bool by_square_root = false;                ///< use_rslora: alpha / sqrt(rank) instead of alpha / rank

  // Both throw Error{kUnsupported} for a module that two patterns give different values: which of them peft takes
  // depends on their order in the file.
  /// What B A is multiplied by before it is added to the module's weight.
  [[nodiscard]] float scale_of(std::string_view module) const;
  [[nodiscard]] int rank_of(std::string_view module) const;
};

/// True for a folder with adapter_config.json.
[[nodiscard]] bool has_adapter(const std::filesystem::path& folder);

/// \throws Error{kCorruptModel}, and Error{kUnsupported} for another kind of adapter than LoRA, or a variant of it that
///         does not come to weight + scale * B A
/// Source: LoraConfig of peft
[[nodiscard]] LoraConfig read_lora_config(const std::filesystem::path& folder);

/// Adds the adapter's share to every weight that it names, and puts the tensors that it has whole (modules_to_save,
/// trained biases) in the place of the checkpoint's. A sum is computed when its weight is taken, in float32.
/// \param rule  as the WeightMap's
/// \returns     how many of the model's tensors changed
/// \throws Error{kCorruptModel} listing all tensors that fit no weight, or if none of the model's changed. Two modules
/// of
///         one weight are a problem of the WeightMap's finish()
/// Source: get_delta_weight() of peft/tuners/lora/layer.py
std::size_t merge_lora(const std::filesystem::path& folder, const LoraConfig& config, WeightMap& weights,
                       const NameRule& rule);

}  // namespace mlxe
