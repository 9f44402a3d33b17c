// Lexical weights and vectors of tokens beside the vector of the text: grouping, words, and what is refused; the
// models' tests have BGE-M3's goldens.
#include "engine/token_heads.h"

#include <gmock/gmock.h>

#include "engine/tiny_encoder.h"
#include "mlxe/engine.h"
#include "support/expect_error.h"
#include "weights/safetensors.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using testing::encoder;
using ::testing::IsEmpty;
using testing::Texts;
using testing::TinyModel;

void write_layer(const TinyModel& tiny, const std::string& name, int rows) {
  tiny.folder.write(name + ".safetensors", testing::to_safetensors({{"weight", testing::random_tensor({rows, 8}, 7)},
                                                                    {"bias", testing::random_tensor({rows}, 8)}}));
}

TEST(TokenHeads, GiveTheSameBitsForAnyGrouping) {
  TinyModel tiny;
  write_layer(tiny, "sparse_linear", 1);
  write_layer(tiny, "colbert_linear", 5);
  const Texts texts = {"the dog ran", "", "a cat sat on the mat", "blue"};
  const CombinedEmbeddings together = encoder(tiny, {}, 3, 9).embed_all(texts, {});
  const TextEncoder one = encoder(tiny);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const CombinedEmbeddings alone = one.embed_all(Texts{texts[i]}, {});
    EXPECT_EQ(alone.lexical[0].weights, together.lexical[i].weights) << i;
    EXPECT_EQ(alone.multi[0].values, together.multi[i].values) << i;
    EXPECT_EQ(alone.multi[0].count(), static_cast<std::size_t>(alone.dense.items[0].tokens) - 1) << i;
  }
}

TEST(TokenHeads, KeepTheLargestWeightOfEachWord) {
  TokenHeads heads;
  heads.weightless_ids = {2, 3};
  const std::vector<std::int32_t> ids = {2, 7, 5, 7, 6, 3};
  const std::vector<float> scores = {9, 1, -1, 4, 0.5F, 9};
  const SparseVector found = lexical_weights(heads, ids, scores);
  EXPECT_THAT(found.ids, ElementsAre(6, 7));
  EXPECT_THAT(found.weights, ElementsAre(0.5F, 4.0F));
}

TEST(TokenHeads, MayBeOneOfTheTwo) {
  TinyModel tiny;
  write_layer(tiny, "sparse_linear", 1);
  tiny.folder.write_json("tokenizer_config.json", {{"cls_token", "[CLS]"}, {"eos_token", "[SEP]"}});
  const LoadedModel model = testing::load(tiny);
  EXPECT_THAT(model.info.combined, ElementsAre("dense", "lexical"));
  EXPECT_THAT(model.token_heads.weightless_ids, ElementsAre(2, 3));
  const CombinedEmbeddings found = encoder(tiny).embed_all(Texts{"a cat"}, {});
  EXPECT_EQ(found.lexical.size(), 1U);
  EXPECT_THAT(found.multi, IsEmpty());
}

TEST(TokenHeads, AreRefusedWhereTheyAreNot) {
  const TinyModel tiny;
  EXPECT_ERROR(kUnsupported, "has no layers for lexical weights", encoder(tiny).embed_all(Texts{"a"}, {}));
  tiny.folder.write("sparse_linear.pt", "x");
  EXPECT_EQ(encoder(tiny).embed(Texts{"a"}, {}).count(), 1U) << "the vector of the text needs none of it";
  EXPECT_ERROR(kUnsupported, "sparse_linear.pt is pickled", encoder(tiny).embed_all(Texts{"a"}, {}));
  write_layer(tiny, "sparse_linear", 2);
  EXPECT_ERROR(kCorruptModel, "'weight' has shape [2, 8], wanted [1, 8]", testing::load(tiny));
  tiny.folder.write("sparse_linear.safetensors",
                    testing::to_safetensors({{"weight", testing::random_tensor({1, 8}, 7)}}));
  EXPECT_ERROR(kCorruptModel, "has no tensor 'bias'", testing::load(tiny));
}

}  // namespace
}  // namespace mlxe
