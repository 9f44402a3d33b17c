// Names of pooling modes, concatenation, and leaving out the prompt.
#include "nn/pooling.h"

#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::Optional;
using testing::rows_of_length;
using testing::tensor;

TEST(PoolingNames, AreThoseOfSentenceTransformers) {
  EXPECT_THAT(parse_pooling("cls").modes, ElementsAre(PoolingMode::kCls));
  EXPECT_THAT(parse_pooling("max").modes, ElementsAre(PoolingMode::kMax));
  EXPECT_THAT(parse_pooling("mean").modes, ElementsAre(PoolingMode::kMean));
  EXPECT_THAT(parse_pooling("mean_sqrt_len_tokens").modes, ElementsAre(PoolingMode::kMeanSqrtLen));
  EXPECT_THAT(parse_pooling("weightedmean").modes, ElementsAre(PoolingMode::kWeightedMean));
  EXPECT_THAT(parse_pooling("lasttoken").modes, ElementsAre(PoolingMode::kLastToken));
}

TEST(PoolingNames, MayBeTheEndsOfTheLegacyKeys) {
  EXPECT_EQ(to_string(parse_pooling("cls_token")), "cls");
  EXPECT_EQ(to_string(parse_pooling("max_tokens")), "max");
  EXPECT_EQ(to_string(parse_pooling("mean_tokens")), "mean");
  EXPECT_EQ(to_string(parse_pooling("weightedmean_tokens")), "weightedmean");
}

TEST(PoolingNames, KeepTheirOrderWhenJoined) {
  EXPECT_THAT(parse_pooling("mean+cls").modes, ElementsAre(PoolingMode::kMean, PoolingMode::kCls));
  EXPECT_EQ(to_string(parse_pooling("mean+cls+max")), "mean+cls+max");
}

TEST(PoolingNames, RefuseAnUnknownOneAndListTheKnown) {
  for (const char* text : {"", "average", "mean+", "mean,cls"}) {
    EXPECT_ERROR(kInvalidInput, "cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken", parse_pooling(text));
  }
}

TEST(PoolingNames, RefuseTheSameModeTwice) {
  EXPECT_ERROR(kInvalidInput, "'cls' is given twice", parse_pooling("cls+mean+cls_token"));
}

TEST(Pool, PutsSeveralModesSideBySideInTheirOrder) {
  testing::ScalarOps ops;
  const Tensor hidden = tensor({{1, 10}, {3, 20}, {5, 60}});
  const Tensor pooled = pool(ops, hidden, rows_of_length({3}), parse_pooling("mean+cls+max"));
  EXPECT_THAT(testing::values_of(pooled), ElementsAre(3, 30, 1, 10, 5, 60));
}

TEST(Pool, TakesEachRowAlone) {
  testing::ScalarOps ops;
  const Tensor hidden = tensor({{1, 1}, {3, 5}, {9, 9}});
  const Tensor pooled = pool(ops, hidden, rows_of_length({2, 1}), parse_pooling("mean"));
  EXPECT_THAT(testing::values_of(pooled), ElementsAre(2, 3, 9, 9));
}

TEST(Pool, LeavesOutThePromptOnlyIfTheCheckpointSaysSo) {
  testing::ScalarOps ops;
  const Tensor hidden = tensor({{1}, {2}, {4}, {6}});
  PackedBatch batch = rows_of_length({4});
  batch.prompt_lengths = {2};
  PoolingSpec spec = parse_pooling("cls+mean+weightedmean");

  EXPECT_THAT(testing::values_of(pool(ops, hidden, batch, spec)), ElementsAre(1, 3.25F, FloatEq(41.0F / 10)));
  spec.include_prompt = false;
  // The weights of `weightedmean` stay 3 and 4, the places in the whole text: (3 * 4 + 4 * 6) / 7.
  EXPECT_THAT(testing::values_of(pool(ops, hidden, batch, spec)), ElementsAre(4, 5, FloatEq(36.0F / 7)));
}

TEST(PooledTokens, AreKnownWhereTheyAreOneOfEachText) {
  PackedBatch batch = rows_of_length({3, 1, 2});
  EXPECT_THAT(pooled_tokens(batch, parse_pooling("cls")), Optional(ElementsAre(0, 3, 4)));
  EXPECT_THAT(pooled_tokens(batch, parse_pooling("lasttoken")), Optional(ElementsAre(2, 3, 5)));
  for (const char* text : {"mean", "max", "weightedmean", "mean_sqrt_len_tokens", "cls+lasttoken", "lasttoken+mean"}) {
    EXPECT_EQ(pooled_tokens(batch, parse_pooling(text)), std::nullopt) << text;
  }
}

// Behind a prompt that is left out, the first token is another one and the last one may be none.
TEST(PooledTokens, AreNotKnownWhereThePromptIsLeftOut) {
  PackedBatch batch = rows_of_length({3});
  batch.prompt_lengths = {1};
  PoolingSpec spec = parse_pooling("cls");
  EXPECT_THAT(pooled_tokens(batch, spec), Optional(ElementsAre(0)));
  spec.include_prompt = false;
  EXPECT_EQ(pooled_tokens(batch, spec), std::nullopt);
}

}  // namespace
}  // namespace mlxe
