// What the kinds of oracle cases ask of an engine: which task, which inputs, which numbers.
#pragma once

#include <algorithm>
#include <cmath>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/oracle_fixture.h"

namespace mlxe::testing {

/// Numbers of an engine for texts or pairs.
enum class Output {
  kVectors,      ///< embed()
  kClasses,      ///< classify(), raw
  kPairClasses,  ///< classify_pairs(), raw
  kPairScores,   ///< score_pairs(), raw
  kTokenLogits,  ///< token_logits()
  kSparse,       ///< sparse()
};

inline Output output_of(std::string_view kind) {
  if (kind == "tokenize+classify") {
    return Output::kClasses;
  }
  if (kind == "tokenize+classify_pairs") {
    return Output::kPairClasses;
  }
  if (kind == "rerank" || kind == "rerank_yes_no") {
    return Output::kPairScores;
  }
  if (kind == "tokenize+mlm_logits" || kind == "tokenize+token_logits") {
    return Output::kTokenLogits;
  }
  return kind == "sparse_embed" ? Output::kSparse : Output::kVectors;
}

inline std::string_view name_of(Output output) {
  switch (output) {
    case Output::kVectors: return "vectors";
    case Output::kClasses: return "classes";
    case Output::kPairClasses: return "pair_classes";
    case Output::kPairScores: return "pair_scores";
    case Output::kTokenLogits: return "token_logits";
    case Output::kSparse: break;
  }
  return "sparse";
}
inline void PrintTo(Output output, std::ostream* out) {
  *out << name_of(output);
}

/// The task that a case needs; what a folder can declare itself is left to it.
inline Task task_of(const OracleFixture& fixture, std::string_view kind) {
  if (kind == "rerank_yes_no") {
    return Task::kRerank;
  }
  if (kind == "tokenize+mlm_logits") {
    return Task::kFillMask;
  }
  if (kind == "sparse_embed") {
    return std::filesystem::exists(fixture.folder / "modules.json") ? Task::kAuto : Task::kSparse;
  }
  return kind == "tokenize+forward" ? Task::kEmbed : Task::kAuto;
}

inline LoadOptions load_options(Device device, Task task = Task::kAuto) {
  LoadOptions options;
  options.task = task;
  options.device = device;
  options.precision = Precision::kFp32;
  options.threads = 2;
  return options;
}

/// Texts, or pairs where there are second texts; a short-lived view gives what an engine takes.
struct Inputs {
  std::vector<std::string> first;
  std::vector<std::string> second;

  void add(const Json& test_case) {
    if (!test_case.contains("pairs")) {
      std::ranges::move(texts_of(test_case), std::back_inserter(first));
      return;
    }
    for (auto& pair : test_case.at("pairs").get<std::vector<std::pair<std::string, std::string>>>()) {
      first.push_back(std::move(pair.first));
      second.push_back(std::move(pair.second));
    }
  }
  [[nodiscard]] std::vector<std::string_view> texts() const { return views_of(first); }
  [[nodiscard]] std::vector<TextPair> pairs() const {
    std::vector<TextPair> out;
    for (std::size_t index = 0; index < second.size(); ++index) {
      out.emplace_back(first[index], second[index]);
    }
    return out;
  }
  [[nodiscard]] std::size_t size() const { return first.size(); }
  [[nodiscard]] Inputs one(std::size_t index) const {
    return {{first[index]}, second.empty() ? second : std::vector{second[index]}};
  }
  [[nodiscard]] Inputs reversed() const { return {{first.rbegin(), first.rend()}, {second.rbegin(), second.rend()}}; }
};

using Rows = std::vector<std::vector<float>>;  // one for each input

inline std::vector<float> to_vector(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// Sparse vectors with all their zeros.
inline std::vector<float> to_dense(const SparseVector& vector, std::size_t width) {
  std::vector<float> values(width);
  for (std::size_t i = 0; i < vector.ids.size(); ++i) {
    values.at(static_cast<std::size_t>(vector.ids[i])) = vector.weights[i];
  }
  return values;
}

template <class Options>
Options with_run(const RunOptions& run) {
  Options options;
  static_cast<RunOptions&>(options) = run;
  return options;
}

/// The numbers of every input; raw scores, and vectors normalised as the folder declares.
inline Rows rows_of(const Engine& engine, Output output, const Inputs& inputs, const RunOptions& run = {}) {
  Rows rows;
  switch (output) {
    case Output::kVectors: {
      EmbedOptions options;
      options.normalize = Normalize::kDeclared;
      options.max_length = run.max_length;
      options.batch_tokens = run.batch_tokens;
      const Embeddings vectors = engine.embed(inputs.texts(), options);
      for (std::size_t index = 0; index < vectors.count(); ++index) {
        rows.push_back(to_vector(vectors.row(index)));
      }
      break;
    }
    case Output::kClasses:
    case Output::kPairClasses: {
      auto options = with_run<ClassifyOptions>(run);
      options.scores = ScoreKind::kRaw;
      const Classifications classes = output == Output::kClasses ? engine.classify(inputs.texts(), options)
                                                                 : engine.classify_pairs(inputs.pairs(), options);
      for (std::size_t index = 0; index < classes.count(); ++index) {
        rows.push_back(to_vector(classes.row(index)));
      }
      break;
    }
    case Output::kPairScores: {
      auto options = with_run<RerankOptions>(run);
      options.scores = ScoreKind::kRaw;
      for (const float score : engine.score_pairs(inputs.pairs(), options).values) {
        rows.push_back({score});
      }
      break;
    }
    case Output::kTokenLogits:
      for (TokenEmbeddings& logits : engine.token_logits(inputs.texts(), run)) {
        rows.push_back(std::move(logits.values));
      }
      break;
    case Output::kSparse:
      for (const SparseVector& vector : engine.sparse(inputs.texts(), with_run<SparseOptions>(run))) {
        rows.push_back(vector.weights);
        rows.back().insert(rows.back().end(), vector.ids.begin(), vector.ids.end());
      }
      break;
  }
  return rows;
}

}  // namespace mlxe::testing
