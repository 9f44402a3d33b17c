// Taking layers out of a WeightMap: what every model file would write again.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "tensor/backend.h"
#include "weights/weight_map.h"

namespace mlxe {

enum class Bias {
  kNone,
  kYes,  ///< a checkpoint without it is an error
};

/// NAME.weight [out, in] and NAME.bias [out].
inline LinearPart take_part(WeightMap& weights, const std::string& name, int out_features, int in_features,
                            Bias bias = Bias::kYes) {
  LinearPart part{.weight = weights.take(name + ".weight", {out_features, in_features}), .bias = std::nullopt};
  if (bias == Bias::kYes) {
    part.bias = weights.take(name + ".bias", {out_features});
  }
  return part;
}

inline LinearWeight take_linear(WeightMap& weights, Backend& backend, const std::string& name, int out_features,
                                int in_features, Bias bias = Bias::kYes) {
  return backend.linear_weight(std::array{take_part(weights, name, out_features, in_features, bias)});
}

/// NAME.weight and NAME.bias, each [size].
inline NormWeight take_layer_norm(WeightMap& weights, Backend& backend, const std::string& name, int size,
                                  Bias bias = Bias::kYes) {
  const HostTensor weight = weights.take(name + ".weight", {size});
  return backend.norm_weight(weight,
                             bias == Bias::kYes ? std::optional(weights.take(name + ".bias", {size})) : std::nullopt);
}

/// NAME.weight [size]. \param offset  added to it: 1 where the checkpoint stores w for a scale of 1 + w
inline NormWeight take_rms_norm(WeightMap& weights, Backend& backend, const std::string& name, int size,
                                float offset = 0.0F) {
  return backend.norm_weight(weights.take(name + ".weight", {size}), std::nullopt, offset);
}

/// NAME.weight [rows, columns].
inline EmbeddingTable take_table(WeightMap& weights, Backend& backend, const std::string& name, int rows, int columns) {
  return backend.embedding_table(weights.take(name + ".weight", {rows, columns}));
}

/// The output layer of a masked or causal language model: NAME.weight, or the word embeddings where they are tied (the
/// file has no such tensor, or a copy of them), with the bias of that name.
/// \param bias_name  "" for none. Where there is also a NAME.bias, that one counts and this one may be left over:
///                   they are copies of each other unless the decoder is untied
inline LinearWeight take_tied_decoder(WeightMap& weights, Backend& backend, const std::string& name,
                                      const std::string& bias_name, const std::string& embeddings, int vocab_size,
                                      int hidden) {
  const Shape shape = {vocab_size, hidden};
  LinearPart part{.weight = weights.has(name + ".weight") ? weights.take(name + ".weight", shape)
                                                          : weights.borrow(embeddings + ".weight", shape),
                  .bias = std::nullopt};
  if (!bias_name.empty()) {
    // A decoder of its own reads its own bias; the other one then lies unused in the checkpoint.
    const bool own = weights.has(name + ".bias");
    part.bias = weights.take(own ? name + ".bias" : bias_name, {vocab_size});
  }
  return backend.linear_weight(std::array{std::move(part)});
}

}  // namespace mlxe
