// Mixture of experts: the choice and the weighted sum, by hand.
#include "nn/moe.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

// Expert e scores feature e, plus 1 for expert 2.
Router three_experts() {
  return {.in_features = 3, .num_experts = 3, .weight = {1, 0, 0, 0, 1, 0, 0, 0, 1}, .bias = {0, 0, 1}};
}

TEST(ChooseExperts, TakesTheBestAndWeighsThemByTheSoftmaxOfTheirScores) {
  testing::ScalarOps ops;
  const Tensor x = testing::tensor({{2, 0.5F, 0}, {0, 5, 3}});
  const ExpertChoice choice = choose_experts(ops, x, three_experts(), 2, ExpertWeights::kSoftmaxOfChosen);
  EXPECT_THAT(choice.experts, ElementsAre(0, 2, 1, 2));  // scores 2, 0.5, 1 and 0, 5, 4
  const float first = 1.0F / (1.0F + std::exp(-1.0F));   // both pairs are 1 apart
  EXPECT_THAT(choice.weights, ElementsAre(FloatEq(first), FloatEq(1 - first), FloatEq(first), FloatEq(1 - first)));
}

TEST(ChooseExperts, CanWeighByTheSoftmaxOfAllScores) {
  testing::ScalarOps ops;
  const ExpertChoice choice =
      choose_experts(ops, testing::tensor({{2, 0.5F, 0}}), three_experts(), 1, ExpertWeights::kSoftmaxOfAll);
  EXPECT_THAT(choice.experts, ElementsAre(0));
  EXPECT_THAT(choice.weights, ElementsAre(FloatEq(1.0F / (1.0F + std::exp(-1.5F) + std::exp(-1.0F)))));
}

TEST(ChooseExperts, TakesTheFirstOfEqualOnes) {
  testing::ScalarOps ops;
  Router router = three_experts();
  router.bias.clear();
  const ExpertChoice choice =
      choose_experts(ops, testing::tensor({{1, 1, 1}}), router, 2, ExpertWeights::kSoftmaxOfChosen);
  EXPECT_THAT(choice.experts, ElementsAre(0, 1));
}

// A NaN that loses against numbers would be left out of the output, and an order with one in it is none.
TEST(ChooseExperts, PutsNanFirstSoThatItIsSeen) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  testing::ScalarOps ops;
  Router router = three_experts();
  router.bias = {0, 0, kNan};
  const Tensor x = testing::tensor({{2, 0.5F, 0}});
  const ExpertChoice one = choose_experts(ops, x, router, 1, ExpertWeights::kSoftmaxOfChosen);
  EXPECT_THAT(one.experts, ElementsAre(2));
  EXPECT_TRUE(std::isnan(one.weights[0]));
  router.bias = {kNan, 0, kNan};
  EXPECT_THAT(choose_experts(ops, x, router, 3, ExpertWeights::kSoftmaxOfAll).experts, ElementsAre(0, 2, 1));
}

TEST(ChooseExperts, AddsUpOddNumbersOfFeatures) {
  for (const int features : {1, 7, 8, 65}) {
    const Router router = {.in_features = features,
                           .num_experts = 2,
                           .weight = std::vector<float>(static_cast<std::size_t>(2 * features), 0.25F),
                           .bias = {0.5F, 0}};
    const Tensor x = testing::new_tensor(1, features);
    testing::values_of(x).assign(static_cast<std::size_t>(features), 2.0F);
    testing::ScalarOps ops;
    const ExpertChoice choice = choose_experts(ops, x, router, 2, ExpertWeights::kSoftmaxOfChosen);
    EXPECT_THAT(choice.experts, ElementsAre(0, 1)) << features;
    EXPECT_FLOAT_EQ(choice.weights[0], 1.0F / (1.0F + std::exp(-0.5F))) << features;
  }
}

TEST(ChooseExperts, RefusesWhatDoesNotFit) {
  testing::ScalarOps ops;
  const Tensor x = testing::tensor({{1, 1}});
  EXPECT_ERROR(kInvalidInput, "2 columns, the router 3",
               choose_experts(ops, x, three_experts(), 1, ExpertWeights::kSoftmaxOfAll));
  EXPECT_ERROR(kInvalidInput, "4 experts per token of 3",
               choose_experts(ops, testing::tensor({{1, 1, 1}}), three_experts(), 4, ExpertWeights::kSoftmaxOfAll));
}

// Expert e multiplies by 10^e.
Tensor power_of_ten(Ops& ops, int expert, const Tensor& rows) {
  return ops.scale(rows, std::pow(10.0F, static_cast<float>(expert)));
}

TEST(MixExperts, AddsTheWeightedAnswersToTheBase) {
  testing::ScalarOps ops;
  const Tensor x = testing::tensor({{1, 2}, {3, 4}, {5, 6}});
  const Tensor base = testing::tensor({{0.5F, 0}, {0, 0}, {0, 0}});
  const ExpertChoice choice = {
      .num_experts = 4, .per_token = 2, .experts = {2, 0, 0, 2, 3, 2}, .weights = {0.5F, 0.25F, 1, 0, 0.125F, 0.5F}};
  std::vector<int> called;
  const Tensor y = mix_experts(ops, x, base, choice, [&](int expert, const Tensor& rows) {
    called.push_back(expert * 10 + rows.rows());
    return power_of_ten(ops, expert, rows);
  });
  EXPECT_THAT(called, ElementsAre(2, 23, 31));  // expert 1 has no tokens and is not asked
  EXPECT_THAT(testing::values_of(y), ElementsAre(50.75F, 100.5F, 3, 4, 875, 1050));
}

TEST(MixExperts, OfNoTokensIsTheBase) {
  testing::ScalarOps ops;
  const ExpertChoice choice =
      choose_experts(ops, testing::new_tensor(0, 3), three_experts(), 2, ExpertWeights::kSoftmaxOfChosen);
  const Tensor y = mix_experts(ops, testing::new_tensor(0, 3), testing::new_tensor(0, 3), choice,
                               [&](int expert, const Tensor& rows) { return power_of_ten(ops, expert, rows); });
  EXPECT_EQ(y.rows(), 0);
}

}  // namespace
}  // namespace mlxe
