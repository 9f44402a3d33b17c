// Labels of tokens joined into runs: words that are named together.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "mlxe/options.h"

namespace mlxe {

/// The tokens [first, last] have one label, the prefixes B-, I-, E-, S- left out where runs were joined by them.
struct LabelRun {
  std::string label;
  float score = 0;  ///< mean probability of the tokens' labels
  std::size_t first = 0;
  std::size_t last = 0;
};

/// kBioes if the labels are written so ("O" and at least one each of E- and S-), else kSimple.
[[nodiscard]] Aggregation natural_aggregation(std::span<const std::string> labels);

/// \param probabilities  [tokens, labels], row-major
/// \param aggregation    kAuto is natural_aggregation()
/// \returns runs in order; tokens outside of any ("O") are runs too, of one token each with kNone and kBioes
/// \throws Error{kInvalidInput} for kBioes with labels that have no "O"
/// Source: kNone and kSimple as in TokenClassificationPipeline of transformers. kBioes is the likeliest sequence of
///         labels in which every entity begins with B- and ends with E-, or is one S-
[[nodiscard]] std::vector<LabelRun> label_runs(std::span<const std::string> labels,
                                               std::span<const float> probabilities, Aggregation aggregation);

}  // namespace mlxe
