// Mixture of experts: which experts a token goes to, and the weighted sum of what they answer.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tensor/ops.h"

namespace mlxe {

/// Scores of the experts for each token, always in float32: with less, a token near a border changes its expert.
struct Router {
  int in_features = 0;
  int num_experts = 0;
  std::vector<float> weight;  ///< [num_experts, in_features]
  std::vector<float> bias;    ///< [num_experts], or empty
};

enum class ExpertWeights {
  kSoftmaxOfChosen,  ///< the softmax of the chosen experts' scores: adds up to 1
  kSoftmaxOfAll,     ///< the softmax of all scores, of which only the chosen ones are used
};

/// Experts of each token by falling score; of equal ones the first, and NaN before every number.
struct ExpertChoice {
  int num_experts = 0;
  int per_token = 0;
  std::vector<std::int32_t> experts;  ///< [tokens, per_token]
  std::vector<float> weights;         ///< [tokens, per_token]
};

/// \param x          [tokens, router.in_features]
/// \param per_token  1 to router.num_experts
[[nodiscard]] ExpertChoice choose_experts(Ops& ops, const Tensor& x, const Router& router, int per_token,
                                          ExpertWeights weights);

/// base + the sum over each token's experts of weight * expert(token), added in the order of the experts' numbers, so
/// that a token's bits do not depend on where the others go.
/// \param base    [tokens, out]
/// \param expert  of an expert's number and its tokens [n, x.columns()], n > 0, the answers [n, out]
[[nodiscard]] Tensor mix_experts(Ops& ops, const Tensor& x, const Tensor& base, const ExpertChoice& choice,
                                 const std::function<Tensor(int, const Tensor&)>& expert);

}  // namespace mlxe
