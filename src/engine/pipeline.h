// PipelineSpec: what a sentence-transformers folder does after the transformer, as its JSON files say.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "nn/pooling.h"
#include "tensor/ops.h"

namespace mlxe {

/// A Dense module: act(x W^T + b); its weights lie in `folder`.
struct DenseSpec {
  std::string name;  ///< as modules.json has it: "2_Dense"
  std::filesystem::path folder;
  int in_features = 0;
  int out_features = 0;
  bool bias = true;
  Activation activation = Activation::kTanh;
};

/// A Normalize module that is followed by others.
struct NormalizeSpec {};

struct PipelineSpec {
  std::filesystem::path transformer_folder;  ///< holds config.json, the weights and the tokenizer
  PoolingSpec pooling;
  std::string pooling_source;                                 ///< file or option that decided it
  std::optional<int> pooling_width;                           ///< word_embedding_dimension, if the file has it
  std::vector<std::variant<DenseSpec, NormalizeSpec>> steps;  ///< between the pooling and the end
  bool normalize_declared = false;  ///< the last module is Normalize; it is not among the steps
  std::vector<std::string> warnings;
};

/// Reads modules.json and the configurations of the modules that it lists. A folder without modules.json is a plain
/// transformer: pooled as 1_Pooling says if there is such a folder, else by the mean.
/// \param pooling  overrides the checkpoint's modes
/// \throws Error{kCorruptModel, kUnsupported}, and Error{kInvalidInput} for an unknown `pooling`
/// Source: SentenceTransformer of sentence-transformers and its modules Transformer, Pooling, Dense, Normalize
[[nodiscard]] PipelineSpec read_pipeline(const std::filesystem::path& folder,
                                         const std::optional<std::string>& pooling);

/// Follows the width of a vector through the pipeline.
/// \returns the width at its end
/// \throws Error{kCorruptModel} naming the two places that do not fit each other
[[nodiscard]] int check_widths(const PipelineSpec& pipeline, int hidden_size);

/// "transformer", "pooling mean", "dense 768->384 tanh", "normalize": for people.
[[nodiscard]] std::vector<std::string> describe(const PipelineSpec& pipeline);

}  // namespace mlxe
