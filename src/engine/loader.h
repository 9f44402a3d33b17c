// LoadedModel: everything that a checkpoint's folder holds, ready to run.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/late_interaction.h"
#include "engine/task.h"
#include "engine/text_settings.h"
#include "engine/token_heads.h"
#include "engine/yes_no_prompt.h"
#include "mlxe/options.h"
#include "mlxe/output.h"
#include "models/architecture.h"
#include "nn/dense.h"
#include "nn/pooling.h"
#include "tensor/backend.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {

/// A Normalize module that is followed by others.
struct NormalizeStep {};

struct LoadedModel {
  std::unique_ptr<Backend> backend;  // first, so that it outlives the weights that it packed
  std::unique_ptr<Model> model;
  Tokenizer tokenizer;
  TaskSpec task;
  std::optional<YesNoPrompt> prompt;  ///< of a decoder that answers "yes" or "no"
  SpladeSpec splade;                  ///< of a model with a masked-language-model head
  PoolingSpec pooling;
  std::vector<std::variant<DenseLayer, NormalizeStep>> steps;  ///< after the pooling
  int width = 0;                                               ///< of a vector after the last step
  TextSettings settings;
  TokenHeads token_heads = {};               ///< of a model that gives vectors
  std::optional<LateInteraction> late = {};  ///< the steps then run on tokens, and nothing is pooled
  ModelInfo info;
};

/// Reads a folder and packs its weights for the backend.
/// \throws Error{kCorruptModel, kUnsupported, kInvalidInput}
[[nodiscard]] LoadedModel load_model(const std::filesystem::path& folder, const LoadOptions& options,
                                     std::unique_ptr<Backend> backend);

}  // namespace mlxe
