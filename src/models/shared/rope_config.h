// Rotary position embeddings as config.json describes them, in the dialects before and since transformers 5.
#pragma once

#include <string_view>
#include <vector>

#include "base/json.h"

namespace mlxe {

/// What Ops::rotary_table() wants to know of one kind of layer.
struct RopeFrequencies {
  std::vector<float> inverse;  ///< [rotary size / 2]; the rotary size is at most the head's
  float scale = 1.0F;          ///< of cosines and sines (YaRN's attention factor)
  /// LongRoPE has other ones for texts of more than `short_context` tokens; empty: the same for all.
  std::vector<float> long_inverse = {};
  int short_context = 0;
};

/// Which of a configuration's rotary embeddings is meant.
struct RopeQuery {
  int head_dim = 0;
  /// Key in `rope_parameters`, where that has an entry for each kind of layer: "full_attention", "sliding_attention".
  std::string_view layer_type = "full_attention";
  std::string_view theta_key = "rope_theta";  ///< where older configurations have theta, and newer ones may
  bool uses_rope_scaling = true;              ///< the older `rope_scaling` is about these layers, too
};

/// Reads `rope_parameters` (flat, or one for each kind of layer), or theta and `rope_scaling`; where there are both,
/// the latter replaces the flat ones and is merged into those of a kind of layer, as in transformers. Of the scalings
/// there are default, linear, dynamic (which is default up to max_position_embeddings), yarn, longrope and llama3.
/// Source: ROPE_INIT_FUNCTIONS in transformers/modeling_rope_utils.py; float32 where it computes in float32.
/// \throws Error{kCorruptModel} if theta is missing (there is no default that fits all models) or a value is out of
///         range, Error{kUnsupported} for another scaling
[[nodiscard]] RopeFrequencies read_rope(const JsonFields& config, const RopeQuery& query);

/// 1 / theta^(2 i / rotary_dim) for i in [0, rotary_dim / 2), rounded as the default of transformers rounds it.
[[nodiscard]] std::vector<float> inverse_frequencies(double theta, int rotary_dim);

}  // namespace mlxe
