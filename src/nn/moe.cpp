// Mixture of experts: which experts a token goes to, and the weighted sum of what they answer.
#include "nn/moe.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

/// [experts] for one token. One expert's sum runs over the features in order, in eight parts that a compiler keeps in
/// one vector register.
void score_token(const Router& router, const float* x, std::vector<float>& scores) {
  constexpr std::size_t kParts = 8;
  const auto features = static_cast<std::size_t>(router.in_features);
  for (std::size_t expert = 0; expert < scores.size(); ++expert) {
    const float* row = router.weight.data() + expert * features;
    float parts[kParts] = {};
    std::size_t i = 0;
    for (; i + kParts <= features; i += kParts) {
      for (std::size_t p = 0; p < kParts; ++p) {
        parts[p] += x[i + p] * row[i + p];
      }
    }
    float sum = router.bias.empty() ? 0.0F : router.bias[expert];
    for (; i < features; ++i) {
      sum += x[i] * row[i];
    }
    scores[expert] = std::accumulate(std::begin(parts), std::end(parts), sum);
  }
}

/// NaN comes first, as in torch.topk, so that it is seen in the output; it is equal to itself, or there were no order.
bool is_better(const std::vector<float>& scores, std::int32_t a, std::int32_t b) {
  const float of_a = scores[static_cast<std::size_t>(a)];
  const float of_b = scores[static_cast<std::size_t>(b)];
  if (std::isnan(of_a) || std::isnan(of_b)) {
    return std::isnan(of_a) != std::isnan(of_b) ? std::isnan(of_a) : a < b;
  }
  return of_a != of_b ? of_a > of_b : a < b;
}

}  // namespace

ExpertChoice choose_experts(Ops& ops, const Tensor& x, const Router& router, int per_token, ExpertWeights weights) {
  if (x.columns() != router.in_features || per_token < 1 || per_token > router.num_experts) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("choose_experts: input has {} columns, the router {}; {} experts per token of {}",
                            x.columns(), router.in_features, per_token, router.num_experts));
  }
  const auto tokens = static_cast<std::size_t>(x.rows());
  const auto width = static_cast<std::size_t>(x.columns());
  const auto chosen = static_cast<std::size_t>(per_token);
  std::vector<float> values(tokens * width);
  ops.read(x, values);

  ExpertChoice choice{.num_experts = router.num_experts, .per_token = per_token, .experts = {}, .weights = {}};
  choice.experts.reserve(tokens * chosen);
  choice.weights.reserve(tokens * chosen);
  std::vector<float> scores(static_cast<std::size_t>(router.num_experts));
  std::vector<std::int32_t> order(scores.size());
  for (std::size_t token = 0; token < tokens; ++token) {
    score_token(router, values.data() + token * width, scores);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + per_token, order.end(),
                      [&](std::int32_t a, std::int32_t b) { return is_better(scores, a, b); });
    const float largest = scores[static_cast<std::size_t>(order[0])];
    float total = 0.0F;
    if (weights == ExpertWeights::kSoftmaxOfAll) {
      for (const float score : scores) {
        total += std::exp(score - largest);
      }
    } else {
      for (std::size_t place = 0; place < chosen; ++place) {
        total += std::exp(scores[static_cast<std::size_t>(order[place])] - largest);
      }
    }
    for (std::size_t place = 0; place < chosen; ++place) {
      choice.experts.push_back(order[place]);
      choice.weights.push_back(std::exp(scores[static_cast<std::size_t>(order[place])] - largest) / total);
    }
  }
  return choice;
}

Tensor mix_experts(Ops& ops, const Tensor& x, const Tensor& base, const ExpertChoice& choice,
                   const std::function<Tensor(int, const Tensor&)>& expert) {
  std::vector<std::vector<std::int32_t>> rows(static_cast<std::size_t>(choice.num_experts));
  std::vector<std::vector<float>> factors(rows.size());
  for (std::size_t i = 0; i < choice.experts.size(); ++i) {
    const auto chosen = static_cast<std::size_t>(choice.experts[i]);
    rows[chosen].push_back(static_cast<std::int32_t>(i / static_cast<std::size_t>(choice.per_token)));
    factors[chosen].push_back(choice.weights[i]);
  }
  Tensor result = base;
  for (std::size_t number = 0; number < rows.size(); ++number) {
    if (!rows[number].empty()) {
      result = ops.add_rows(std::move(result), expert(static_cast<int>(number), ops.take_rows(x, rows[number])),
                            rows[number], factors[number]);
    }
  }
  return result;
}

}  // namespace mlxe
