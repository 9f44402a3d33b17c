// DistilBERT: traits, names of checkpoints, and what is refused; the conformance test holds its numbers.
#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_backend.h"

namespace mlxe {
namespace {

const std::filesystem::path kFolder = "tests/fixtures/distilbert-cls";

std::unique_ptr<Model> load_with(const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed(kFolder, changes, backend, head);
}

TEST(DistilBert, TellsItsTraits) {
  const ModelTraits traits = load_with(Json::object())->traits();
  EXPECT_EQ(traits.hidden_size, 32);
  EXPECT_EQ(traits.num_layers, 2);
  EXPECT_EQ(traits.max_positions, 64);
  EXPECT_EQ(traits.num_token_types, 0);
}

TEST(DistilBert, RefusesWhatItCannotCompute) {
  EXPECT_ERROR(kUnsupported, "'mish'", load_with({{"activation", "mish"}}));
  EXPECT_ERROR(kCorruptModel, "'dim' is 32, wanted a multiple of 'n_heads', which is 3", load_with({{"n_heads", 3}}));
  EXPECT_ERROR(kCorruptModel, "'n_layers' is 0", load_with({{"n_layers", 0}}));
  EXPECT_ERROR(kCorruptModel, "transformer.layer.2.ffn.lin1.weight: wanted", load_with({{"n_layers", 3}}));
  EXPECT_ERROR(kCorruptModel, "pre_classifier.weight: wanted [32, 32]",
               load_with(Json::object(), {.kind = HeadKind::kSequence, .num_labels = 2}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(Json::object(), {.kind = HeadKind::kNextToken}));
}

TEST(DistilBert, WeightNamesLoseThePrefix) {
  const auto& rule = find_architecture("distilbert").weight_name;
  EXPECT_EQ(rule("distilbert.transformer.layer.0.ffn.lin1.bias"), "transformer.layer.0.ffn.lin1.bias");
  EXPECT_EQ(rule("vocab_projector.bias"), "vocab_projector.bias");
}

}  // namespace
}  // namespace mlxe
