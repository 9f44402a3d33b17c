// What embedding gives back: vectors in input order and a report for each text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mlxe {

struct ItemReport {
  int tokens = 0;          ///< tokens that went through the model, special ones included
  int tokens_in_text = 0;  ///< tokens that the whole text has, special ones included
  [[nodiscard]] bool truncated() const { return tokens < tokens_in_text; }
};

struct Embeddings {
  int dim = 0;
  std::vector<float> values;      ///< [items.size(), dim], row-major, input order, all finite
  std::vector<ItemReport> items;  ///< one per text
  [[nodiscard]] std::size_t count() const { return items.size(); }
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(values).subspan(index * static_cast<std::size_t>(dim), static_cast<std::size_t>(dim));
  }
};

/// The last hidden states of one text, special tokens included.
struct TokenEmbeddings {
  int dim = 0;
  std::vector<std::int32_t> ids;  ///< [tokens]
  std::vector<float> values;      ///< [tokens, dim], row-major, not normalised
  ItemReport report;
};

/// One vector for each token of a text that counts when texts are compared: what a late-interaction model gives.
struct MultiVector {
  int dim = 0;
  std::vector<std::int32_t> ids;  ///< [count]; of the tokens
  std::vector<float> values;      ///< [count, dim], row-major, all finite
  ItemReport report;
  [[nodiscard]] std::size_t count() const { return ids.size(); }
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(values).subspan(index * static_cast<std::size_t>(dim), static_cast<std::size_t>(dim));
  }
};

/// What is loaded and where each choice came from; everything that `mlx_embeddings info` prints.
struct ModelInfo {
  std::string path;        ///< folder the model was read from
  std::string adapter;     ///< folder of the LoRA adapter that was merged in; empty if none
  std::string model_type;  ///< config.json's model_type
  int hidden_size = 0;
  int num_layers = 0;
  int embedding_dim = 0;  ///< width of the vectors that embed() returns
  std::size_t num_parameters = 0;
  std::string checkpoint_dtype;  ///< of the largest weight: "float32", "bfloat16", "4-bit affine, groups of 64"
  std::string pooling;           ///< "mean", "cls+mean", ...
  std::string pooling_source;    ///< the file or option that decided it
  bool normalize_declared = false;
  std::vector<std::string> modules;  ///< the pipeline in order: "transformer", "pooling", "dense 768->384 tanh", ...
  int max_length = 0;                ///< tokens used unless EmbedOptions::max_length says otherwise
  std::string max_length_source;
  int max_positions = 0;  ///< the model's own limit
  std::vector<std::string> prompt_names;
  std::string default_prompt_name;   ///< empty if none
  std::string prompt_source;         ///< the file that has the prompts, or the known family they are taken from
  std::vector<int> matryoshka_dims;  ///< numbers of dimensions that the model was trained for; empty if none are named
  /// How queries and documents are prepared, of a model that gives one vector for each token (multi_vector()); empty
  /// for one that gives one for a whole text (embed()).
  std::string late_interaction;
  std::string device;     ///< "cpu", "mlx (cpu)", "mlx (gpu)"
  std::string precision;  ///< "fp32", ...
  std::string precision_reason;
  std::string instruction_set;  ///< "avx512", "avx2", "portable"; empty for mlx
  int threads = 0;
  std::vector<std::string> warnings;  ///< choices that a user should know of
};

}  // namespace mlxe
