// Model: what every architecture gives; Architecture: how one is made and found by its model_type.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/backend.h"
#include "tensor/ops.h"
#include "weights/weight_map.h"

namespace mlxe {

/// Facts about a loaded model that the engine needs.
struct ModelTraits {
  int hidden_size = 0;
  int num_layers = 0;
  int max_positions = 0;  ///< longest input in tokens, special ones included
  int vocab_size = 0;     ///< rows of the word embedding table
  int num_token_types = 0;  ///< rows of the token type table; 0: none
};

/// A loaded architecture. Immutable; forward() may run on several workers at once.
class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual const ModelTraits& traits() const = 0;
  /// Last hidden states.
  /// \param batch  rows of 1 to traits().max_positions tokens; ids in [0, vocab_size)
  /// \returns      [batch.num_tokens(), hidden_size]
  [[nodiscard]] virtual Tensor forward(Ops& ops, const PackedBatch& batch) const = 0;
};

/// One row of registry.def.
struct Architecture {
  std::string_view model_type;
  std::unique_ptr<Model> (*make)(const JsonFields& config, WeightMap& weights, Backend& backend);
  std::optional<std::string> (*weight_name)(std::string_view checkpoint_name);
};

/// \throws Error{kUnsupported} listing the known types and the nearest one
[[nodiscard]] const Architecture& find_architecture(std::string_view model_type);
[[nodiscard]] std::vector<std::string> architecture_names();  ///< sorted

}  // namespace mlxe
