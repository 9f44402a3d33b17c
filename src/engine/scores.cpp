// Sigmoid and softmax.
#include "engine/scores.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace mlxe {

void apply_score_function(ScoreFunction function, std::span<float> scores) {
  switch (function) {
    case ScoreFunction::kNone: return;
    case ScoreFunction::kSigmoid:
      for (float& score : scores) {
        score = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(score))));
      }
      return;
    case ScoreFunction::kSoftmax: {
      if (scores.empty()) {
        return;
      }
      const double largest = *std::ranges::max_element(scores);
      std::vector<double> parts(scores.size());
      double sum = 0;
      for (std::size_t i = 0; i < scores.size(); ++i) {
        parts[i] = std::exp(static_cast<double>(scores[i]) - largest);
        sum += parts[i];
      }
      for (std::size_t i = 0; i < scores.size(); ++i) {
        scores[i] = static_cast<float>(parts[i] / sum);
      }
      return;
    }
  }
}

}  // namespace mlxe
