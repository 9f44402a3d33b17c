// Raw scores to probabilities.
#pragma once

#include <span>

#include "engine/task.h"

namespace mlxe {

/// Replaces the scores of one input. Sums run in double; a softmax over one score gives 1.
void apply_score_function(ScoreFunction function, std::span<float> scores);

}  // namespace mlxe
