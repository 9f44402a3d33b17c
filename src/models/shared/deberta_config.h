// What config.json of a DeBERTa v2 or v3 says, checked.
#pragma once

#include <optional>

#include "base/json.h"
#include "models/shared/encoder.h"
#include "tensor/ops.h"

namespace mlxe {

struct DebertaConfig : EncoderConfig {
  Activation pooler_hidden_act = Activation::kGeluErf;
  bool position_biased_input = true;
  // Relative positions.
  bool relative_attention = false;
  bool content_to_position = false;
  bool position_to_content = false;
  bool share_att_key = false;
  bool norm_rel_ebd = false;
  int position_buckets = 0;  // 0: one for each distance
  int max_relative_positions = 0;
  // The convolution beside the first layer; no taps: none.
  int conv_taps = 0;
  Activation conv_act = Activation::kTanh;
  std::optional<bool> legacy_head = {};  ///< of masked words, if the file says

  /// \throws Error{kCorruptModel, kUnsupported}
  [[nodiscard]] static DebertaConfig parse(const JsonFields& fields);

  /// Rows of rel_embeddings: one for each bucket of distances on either side.
  [[nodiscard]] int num_buckets() const { return 2 * span(); }
  [[nodiscard]] int span() const { return position_buckets > 0 ? position_buckets : max_relative_positions; }
  /// Of each of the kinds of scores that are added, so that the sum keeps its size.
  [[nodiscard]] float score_scale() const;
  /// Bucket of the distance from key to query, in [0, num_buckets()). Near ones have one each, far ones share them by
  /// their logarithm; float32, as torch computes it.
  [[nodiscard]] int bucket_of(int distance) const;
};

}  // namespace mlxe
