// Model: what every architecture gives; Architecture: how one is made and found by its model_type.
#pragma once

#include <cstdint>
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

/// What stands on top of the hidden states.
enum class HeadKind {
  kNone,         ///< embeddings: whatever head the checkpoint has is left out
  kSequence,     ///< logits for each row: classifiers, cross-encoders
  kToken,        ///< logits for each token
  kMaskedLm,     ///< logits over the vocabulary for each token
  kNextToken,    ///< logits of HeadSpec::token_ids at each row's last token
  kMarkedTokens  ///< a projection of those tokens that are one of HeadSpec::token_ids
};

struct HeadSpec {
  HeadKind kind = HeadKind::kNone;
  int num_labels = 0;                        ///< wanted of kSequence and kToken
  std::vector<std::int32_t> token_ids = {};  ///< of kNextToken and kMarkedTokens
};

/// Facts about a loaded model that the engine needs.
struct ModelTraits {
  int hidden_size = 0;
  int num_layers = 0;
  int max_positions = 0;                   ///< longest input in tokens, special ones included
  int vocab_size = 0;                      ///< rows of the word embedding table
  int num_token_types = 0;                 ///< rows of the token type table; 0: none
  std::vector<std::string> warnings = {};  ///< what config.json says and the model does not follow
};

/// A loaded architecture. Immutable; forward() may run on several workers at once.
class Model {
 public:
  virtual ~Model() = default;
  [[nodiscard]] virtual const ModelTraits& traits() const = 0;
  /// Last hidden states of the wanted tokens, with the same bits whichever others are wanted.
  /// \param batch  rows of 1 to traits().max_positions tokens; ids in [0, vocab_size)
  /// \returns      [wanted tokens, hidden_size]
  [[nodiscard]] virtual Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const = 0;
  /// The tokens whose hidden states logits() wants. For kToken and kMaskedLm, where these are all, it also takes those
  /// of any others, and its output has a row for each.
  [[nodiscard]] virtual TokenChoice tokens_of_logits(const PackedBatch& batch) const;
  /// The head's raw output (no softmax, no sigmoid).
  /// \param hidden  what forward() gave for tokens_of_logits(batch)
  /// \returns  kSequence: [rows, num_labels]; kToken: [tokens, num_labels]; kMaskedLm: [tokens, vocab_size];
  ///           kNextToken: [rows, token_ids.size()]; kMarkedTokens: [such tokens, width of the projection]
  /// \throws Error{kUnsupported} if the model was made without a head
  [[nodiscard]] virtual Tensor logits(Ops& ops, const Tensor& hidden, const PackedBatch& batch) const;
};

/// Model::logits() of a batch whose hidden states nothing else reads.
[[nodiscard]] inline Tensor forward_logits(const Model& model, Ops& ops, const PackedBatch& batch) {
  return model.logits(ops, model.forward(ops, batch, model.tokens_of_logits(batch)), batch);
}

/// One row of registry.def.
struct Architecture {
  std::string_view model_type;
  /// Takes every weight of the model and of the wanted head; names with WeightMap::allow_unused what of the other heads
  /// may stay. \throws Error{kUnsupported} for a head that the architecture has not
  std::unique_ptr<Model> (*make)(const JsonFields& config, WeightMap& weights, Backend& backend, const HeadSpec& head);
  /// The checkpoint's name of a tensor in the model's own words; nothing: it is a buffer that no model needs.
  std::optional<std::string> (*weight_name)(std::string_view checkpoint_name);
};

/// \throws Error{kUnsupported} listing the known types and the nearest one
[[nodiscard]] const Architecture& find_architecture(std::string_view model_type);
[[nodiscard]] std::vector<std::string> architecture_names();  ///< sorted

}  // namespace mlxe
