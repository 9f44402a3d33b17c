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
  bool residual = false;  ///< use_residual: the input is added, through a layer of its own if the widths differ
  Activation activation = Activation::kTanh;
};

/// A Normalize module that is followed by others.
struct NormalizeSpec {};

/// What the list in modules.json adds up to.
enum class PipelineKind {
  kUndeclared,  ///< there is no modules.json
  kPooled,      ///< Transformer, Pooling, any Dense and Normalize: one vector for a text
  kSparse,      ///< MLMTransformer or Transformer, SpladePooling: a weight for each word of the vocabulary
  kHeadAlone,   ///< Transformer alone: the scores of its own head (a CrossEncoder)
  kLogitScore,  ///< Transformer, LogitScore: a decoder's logits of one or two tokens
};

/// A SpladePooling module: log1p(relu(x)) of the masked-language-model logits, joined over a text's tokens.
struct SpladeSpec {
  enum class Join { kMax, kSum };
  Join join = Join::kMax;
  bool log_twice = false;    ///< `log1p_relu` is log1p(log1p(relu(x)))
  std::optional<int> width;  ///< embedding_dimension, if the file has it
};

/// A LogitScore module: logit[true] - logit[false].
struct LogitScoreSpec {
  int true_token_id = 0;
  std::optional<int> false_token_id;
};

struct PipelineSpec {
  PipelineKind kind = PipelineKind::kUndeclared;
  std::filesystem::path transformer_folder;  ///< holds config.json, the weights and the tokenizer
  bool is_static = false;  ///< a StaticEmbedding stands in the transformer's place; it may have no config.json
  SpladeSpec splade;       ///< of kSparse, else what sentence-transformers takes by default
  std::optional<LogitScoreSpec> logit_score;  ///< of kLogitScore
  PoolingSpec pooling;
  std::string pooling_source;                                 ///< file or option that decided it
  std::string pooling_gap;                                    ///< what is missing, if nothing decided it
  std::optional<int> pooling_width;                           ///< word_embedding_dimension, if the file has it
  std::vector<std::variant<DenseSpec, NormalizeSpec>> steps;  ///< between the pooling and the end
  bool normalize_declared = false;  ///< the last module is Normalize; it is not among the steps
  std::vector<std::string> warnings;
};

/// Reads modules.json and the configurations of the modules that it lists. A folder without modules.json is a plain
/// transformer: pooled as 1_Pooling says if there is such a folder, else by the mean. So is one whose modules do not
/// pool.
/// \param pooling  overrides the checkpoint's modes
/// \throws Error{kCorruptModel, kUnsupported}, and Error{kInvalidInput} for an unknown `pooling`
/// Source: SentenceTransformer of sentence-transformers and its modules Transformer, Pooling, Dense, Normalize;
/// SparseEncoder with SpladePooling; CrossEncoder with LogitScore
[[nodiscard]] PipelineSpec read_pipeline(const std::filesystem::path& folder,
                                         const std::optional<std::string>& pooling);

/// \throws Error{kCorruptModel} for a path of modules.json that leads out of the model's folder; `what` names the entry
void check_module_path(const std::string& path, const std::string& what);

/// One Dense module.
/// \param feature  what it works on: "sentence_embedding" or "token_embeddings"
[[nodiscard]] DenseSpec read_dense(const std::filesystem::path& folder, const std::string& name,
                                   const std::string& feature);

/// Follows the width of a vector through the pipeline.
/// \returns the width at its end
/// \throws Error{kCorruptModel} naming the two places that do not fit each other
[[nodiscard]] int check_widths(const PipelineSpec& pipeline, int hidden_size);

/// "transformer", "pooling mean", "dense 768->384 tanh", "normalize": for people.
[[nodiscard]] std::vector<std::string> describe(const PipelineSpec& pipeline);

}  // namespace mlxe
