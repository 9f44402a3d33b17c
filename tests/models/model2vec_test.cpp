// Static embeddings: a token's row, through a mapping and times a weight, and what is refused.
#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/scalar_backend.h"
#include "support/scalar_tensors.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using testing::TinyDecoder;
using testing::values_of;

// Three rows of two.
TinyDecoder table(const std::string& name = "embeddings") {
  TinyDecoder tiny("model2vec");
  tiny.tensors = {{name, {.shape = {3, 2}, .values = {1, 2, 3, 4, 5, 6}}}};
  return tiny;
}

TEST(Model2Vec, GivesTheRowsOfTheTokens) {
  for (const char* name : {"embeddings", "embedding.weight"}) {
    const std::unique_ptr<Model> model = table(name).make();
    testing::ScalarOps ops;
    EXPECT_THAT(values_of(model->forward(ops, testing::row_of({2, 0, 2}), {})), ElementsAre(5, 6, 1, 2, 5, 6));
    EXPECT_EQ(model->traits().hidden_size, 2);
    EXPECT_EQ(model->traits().vocab_size, 3);
    EXPECT_EQ(model->traits().num_layers, 0);
  }
}

TEST(Model2Vec, MultipliesByTheTokensWeight) {
  TinyDecoder tiny = table();
  tiny.tensors["weights"] = {.shape = {3}, .values = {0.5F, -1, 2}};
  const std::unique_ptr<Model> model = tiny.make();
  testing::ScalarOps ops;
  EXPECT_THAT(values_of(model->forward(ops, testing::row_of({2, 0, 1}), {})), ElementsAre(10, 12, 0.5F, 1, -3, -4));
}

TEST(Model2Vec, RefusesTablesThatAreNone) {
  TinyDecoder tiny = table("something");
  EXPECT_ERROR(kCorruptModel, "'embeddings' (or 'embedding.weight') is absent", tiny.make());
  tiny.tensors = {{"embeddings", {.shape = {3}, .values = {1, 2, 3}}}};
  EXPECT_ERROR(kCorruptModel, "is of shape [3], wanted [tokens, width]", tiny.make());
}

TEST(Model2Vec, RefusesWeightsOfOtherTokensAndHeads) {
  TinyDecoder tiny = table();
  tiny.tensors["weights"] = {.shape = {2}, .values = {1, 2}};
  EXPECT_ERROR(kCorruptModel, "weights: has shape [2], wanted [3]", tiny.make());
  tiny.tensors["mapping"] = {.shape = {2}, .values = {0, 1}};
  EXPECT_ERROR(kCorruptModel, "mapping: is float32 of shape [2], wanted int64 or int32", tiny.make());
  EXPECT_ERROR(kUnsupported, "have no head", table().make({.kind = HeadKind::kSequence, .num_labels = 2}));
}

}  // namespace
}  // namespace mlxe
