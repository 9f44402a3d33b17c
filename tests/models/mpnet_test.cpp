// MPNet: traits, names of checkpoints, and what is refused; the conformance test holds its numbers.
#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

const std::filesystem::path kFolder = "tests/fixtures/mpnet-mean";

std::unique_ptr<Model> load_with(const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed(kFolder, changes, backend, head);
}

TEST(Mpnet, TellsItsTraits) {
  const std::unique_ptr<Model> model = load_with(Json::object());
  EXPECT_EQ(model->traits().max_positions, 96);  // of 98 rows, two belong to the padding
  EXPECT_EQ(model->traits().num_token_types, 0);
  testing::ScalarOps ops;
  EXPECT_EQ(model->forward(ops, testing::rows_of_length({96}), {}).rows(), 96);
  EXPECT_ERROR(kInvalidInput, "", model->forward(ops, testing::rows_of_length({97}), {}));
}

TEST(Mpnet, RefusesWhatItCannotCompute) {
  EXPECT_ERROR(kUnsupported, "'mish'", load_with({{"hidden_act", "mish"}}));
  EXPECT_ERROR(kCorruptModel, "wanted a multiple of 'num_attention_heads', which is 3",
               load_with({{"num_attention_heads", 3}}));
  EXPECT_ERROR(kCorruptModel, "'relative_attention_num_buckets' is 16",
               load_with({{"relative_attention_num_buckets", 16}}));
  EXPECT_ERROR(kCorruptModel, "encoder.relative_attention_bias.weight: has shape [32, 4], wanted [64, 4]",
               load_with({{"relative_attention_num_buckets", 64}}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(Json::object(), {.kind = HeadKind::kNextToken}));
}

TEST(Mpnet, WeightNamesLoseThePrefix) {
  const auto& rule = find_architecture("mpnet").weight_name;
  EXPECT_EQ(rule("mpnet.encoder.relative_attention_bias.weight"), "encoder.relative_attention_bias.weight");
  EXPECT_EQ(rule("mpnet.embeddings.position_ids"), std::nullopt);
}

}  // namespace
}  // namespace mlxe
