// RoBERTa and its relatives: positions behind the padding's, names of checkpoints, and what is refused.
#include <vector>

#include "models/architecture.h"
#include "nn/positions.h"
#include "support/expect_error.h"
#include "support/scalar_tensors.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using testing::TinyModel;

TinyModel tiny_roberta() {
  TinyModel tiny;  // the weights of a BERT are a RoBERTa's
  tiny.config["model_type"] = "xlm-roberta";
  tiny.config["pad_token_id"] = 1;
  return tiny;
}

std::unique_ptr<Model> make(const TinyModel& tiny, Backend& backend, const HeadSpec& head = {}) {
  const Architecture& roberta = find_architecture("xlm-roberta");
  WeightMap weights(tiny.write(), roberta.weight_name);
  std::unique_ptr<Model> model = roberta.make(JsonFields(tiny.config, "config.json"), weights, backend, head);
  weights.finish();
  return model;
}

TEST(RobertaPositions, StartBehindThePaddingAndDoNotCountIt) {
  PackedBatch batch = testing::rows_of_length({4, 0, 2});
  batch.token_ids = {0, 1, 7, 1, 5, 2};
  EXPECT_THAT(positions_without_padding(batch, 1), ::testing::ElementsAre(2, 1, 3, 1, 2, 3));
}

TEST(Roberta, HasFewerPositionsThanItsTable) {
  testing::ScalarBackend backend;
  const std::unique_ptr<Model> model = make(tiny_roberta(), backend);
  EXPECT_EQ(model->traits().max_positions, 30);
  EXPECT_EQ(model->traits().num_token_types, 2);

  testing::ScalarOps ops;
  PackedBatch longest = testing::rows_of_length({30});
  EXPECT_EQ(model->forward(ops, longest, {}).rows(), 30);
  PackedBatch longer = testing::rows_of_length({31});
  EXPECT_ERROR(kInvalidInput, "", model->forward(ops, longer, {}));
}

TEST(Roberta, EveryFamilyHasTheSameGraph) {
  for (const char* type : {"roberta", "camembert"}) {
    EXPECT_EQ(find_architecture(type).make, find_architecture("xlm-roberta").make) << type;
  }
}

TEST(Roberta, WeightNamesLoseThePrefixAndOldWords) {
  const auto& rule = find_architecture("roberta").weight_name;
  EXPECT_EQ(rule("roberta.encoder.layer.0.output.dense.bias"), "encoder.layer.0.output.dense.bias");
  EXPECT_EQ(rule("roberta.embeddings.LayerNorm.gamma"), "embeddings.LayerNorm.weight");
  EXPECT_EQ(rule("roberta.embeddings.position_ids"), std::nullopt);
  EXPECT_EQ(rule("bert.pooler.dense.weight"), "bert.pooler.dense.weight");
}

TEST(Roberta, RefusesWhatItCannotCompute) {
  const auto load_with = [](const nlohmann::json& values, const HeadSpec& head = {}) {
    TinyModel tiny = tiny_roberta();
    tiny.config.update(values);
    testing::ScalarBackend backend;
    return make(tiny, backend, head);
  };
  EXPECT_ERROR(kUnsupported, "'position_embedding_type' is 'relative_key'",
               load_with({{"position_embedding_type", "relative_key"}}));
  EXPECT_ERROR(kUnsupported, "'is_decoder' is true", load_with({{"is_decoder", true}}));
  EXPECT_ERROR(kCorruptModel, "wanted more than 32", load_with({{"pad_token_id", 31}}));
  EXPECT_ERROR(kCorruptModel, "'hidden_size' is 8", load_with({{"num_attention_heads", 3}}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(nlohmann::json::object(), {.kind = HeadKind::kNextToken}));
}

TEST(Roberta, NamesTheWeightsOfAMissingHead) {
  testing::ScalarBackend backend;
  EXPECT_ERROR(kCorruptModel, "classifier.out_proj.weight: wanted [3, 8]",
               make(tiny_roberta(), backend, {.kind = HeadKind::kSequence, .num_labels = 3}));
  EXPECT_ERROR(kCorruptModel, "lm_head.layer_norm.weight: wanted [8]",
               make(tiny_roberta(), backend, {.kind = HeadKind::kMaskedLm}));
}

}  // namespace
}  // namespace mlxe
