// Sigmoid and softmax, also far from zero.
#include "engine/scores.h"

#include <vector>

#include <gmock/gmock.h>

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

std::vector<float> apply(ScoreFunction function, std::vector<float> scores) {
  apply_score_function(function, scores);
  return scores;
}

TEST(Scores, StayAsTheyAreWithoutAFunction) {
  EXPECT_THAT(apply(ScoreFunction::kNone, {-3, 200}), ElementsAre(-3, 200));
}

TEST(Scores, GoThroughASigmoidEach) {
  EXPECT_THAT(apply(ScoreFunction::kSigmoid, {0, 1, -1000, 1000}), ElementsAre(0.5F, FloatEq(0.73105858F), 0, 1));
}

TEST(Scores, GoThroughASoftmaxTogether) {
  EXPECT_THAT(apply(ScoreFunction::kSoftmax, {0, 0}), ElementsAre(0.5F, 0.5F));
  EXPECT_THAT(apply(ScoreFunction::kSoftmax, {1000, 1001}), ElementsAre(FloatEq(0.26894142F), FloatEq(0.73105858F)));
  EXPECT_THAT(apply(ScoreFunction::kSoftmax, {-5}), ElementsAre(1));
  EXPECT_THAT(apply(ScoreFunction::kSoftmax, {}), ElementsAre());
}

}  // namespace
}  // namespace mlxe
