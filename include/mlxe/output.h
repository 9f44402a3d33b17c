// What embedding gives back: vectors in input order and a report for each text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mlxe {

struct ItemReport {
  int tokens = 0;          ///< tokens of the text that went through the model, special ones included; not those that
                           ///< queries of late interaction are filled up with
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

/// A vector for each token of one text, special tokens included: its last hidden state, or its logits.
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

struct RankedDocument {
  std::size_t index = 0;  ///< of the document as it was given
  float score = 0;
  ItemReport report;
};

struct PairScores {
  std::vector<float> values;      ///< one for each pair, in input order
  std::vector<ItemReport> items;  ///< likewise
};

struct Classifications {
  std::vector<std::string> labels;
  std::vector<float> values;      ///< [items.size(), labels.size()], row-major, input order
  std::vector<ItemReport> items;  ///< one per text or pair
  [[nodiscard]] std::size_t count() const { return items.size(); }
  [[nodiscard]] std::span<const float> row(std::size_t index) const {
    return std::span(values).subspan(index * labels.size(), labels.size());
  }
};

/// A stretch of a text that has a label.
struct LabelledSpan {
  std::string label;  ///< without B-, I-, E-, S-, if spans were joined
  float score = 0;    ///< mean probability of its tokens' labels
  int begin = 0;      ///< in characters (Unicode code points, as Python counts)
  int end = 0;
  std::string text;  ///< what stands there
};

struct LabelledText {
  std::vector<LabelledSpan> spans;  ///< in the order of the text
  ItemReport report;
};

struct WordScore {
  std::int32_t id = 0;
  std::string token;  ///< as the vocabulary spells it
  float score = 0;    ///< probability
};

struct FilledMask {
  int position = 0;              ///< of the mask, in tokens with special ones
  std::vector<WordScore> words;  ///< the likeliest first
};

struct FilledText {
  std::vector<FilledMask> masks;  ///< in the order of the text
  ItemReport report;
};

/// The words of the vocabulary that a text has to do with, those without weight left out.
struct SparseVector {
  std::vector<std::int32_t> ids;  ///< rising
  std::vector<float> weights;     ///< > 0
  ItemReport report;
};

/// What BGE-M3 and its like give of one forward. Both lists are empty of a model that lacks the layer for them.
struct CombinedEmbeddings {
  Embeddings dense;                   ///< what embed() gives
  std::vector<SparseVector> lexical;  ///< how much each token counts: ids of tokens, the largest weight of each
  std::vector<MultiVector> multi;     ///< of every token but the first, each of length 1
};

struct TokenizedText {
  std::vector<std::int32_t> ids;             ///< special tokens included
  std::vector<std::string> tokens;           ///< as the vocabulary spells them
  std::vector<std::pair<int, int>> offsets;  ///< begin and end in characters; special tokens 0, 0. Empty for pairs
  std::vector<std::int32_t> special;         ///< 1: put around the text, 0: of the text
  std::vector<std::int32_t> type_ids;        ///< what the model is told of each token: often 1 for a pair's second text
  ItemReport report;
};

/// What is loaded and where each choice came from; everything that `mlx_embeddings info` prints.
struct ModelInfo {
  std::string path;         ///< folder the model was read from
  std::string adapter;      ///< folder of the LoRA adapter that was merged in; empty if none
  std::string model_type;   ///< config.json's model_type
  std::string task;         ///< "embed", "multi-vector", "sparse", "rerank", "classify", "classify-tokens", "fill-mask"
  std::string task_source;  ///< the file or option that decided it
  std::vector<std::string> labels;  ///< of a classifier, in the order of its scores
  std::string score_function;       ///< what its raw scores go through: "sigmoid", "softmax" or "none"
  bool is_listwise = false;         ///< a reranker whose score of a document depends on the others of the call
  std::string mask_token;           ///< the word that stands for a hidden one; empty if the tokenizer has none
  int vocab_size = 0;               ///< rows of the word embeddings
  int num_token_types = 0;          ///< that a token may have; 0: the model is told of none
  int hidden_size = 0;
  int num_layers = 0;
  int embedding_dim = 0;  ///< width of the vectors that embed() returns
  std::size_t num_parameters = 0;
  std::string checkpoint_dtype;  ///< of the largest weight: "float32", "bfloat16", "4-bit affine, groups of 64"
  std::string float_dtype;       ///< "float32", "float16", "bfloat16": of the largest weight, or of its scales
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
  std::vector<std::string> combined;  ///< what embed_all() gives: "dense", "lexical", "multi-vector"; empty: nothing
  std::string device;                 ///< "cpu", "mlx (cpu)", "mlx (gpu)"
  std::string precision;              ///< "fp32", ...
  std::string precision_reason;
  std::string instruction_set;  ///< "avx512", "avx2", "portable"; empty for mlx
  int threads = 0;
  std::vector<std::string> warnings;  ///< choices that a user should know of
};

}  // namespace mlxe
