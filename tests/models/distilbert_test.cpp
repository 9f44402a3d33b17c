// DistilBERT: traits, names of checkpoints, and what is refused; the conformance test holds its numbers.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "models/architecture.h"
#include "models/shared/host_tensor.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_tensors.h"
#include "support/tiny_model.h"
#include "weights/safetensors.h"

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

// Nothing in config.json says so: 1e-12. Embeddings of a variance near 1e-8 are normalised like any others.
TEST(DistilBert, ItsNormsAddNextToNothing) {
  Json config = load_json(kFolder / "config.json");
  const Architecture& architecture = find_architecture("distilbert");
  testing::ScalarBackend backend;
  testing::ScalarOps ops;
  const auto hidden = [&](float gain) {
    std::map<std::string, testing::FloatTensor> tensors;
    for (const auto& [name, stored] : read_safetensors(kFolder / "model.safetensors")) {
      std::vector<float> values = to_floats(stored.tensor);
      const bool is_table = name.ends_with("word_embeddings.weight") || name.ends_with("position_embeddings.weight");
      std::ranges::transform(values, values.begin(), [&](float value) { return is_table ? gain * value : value; });
      tensors[name] = {.shape = stored.tensor.shape, .values = std::move(values)};
    }
    const testing::TemporaryFolder folder;
    folder.write("model.safetensors", testing::to_safetensors(tensors));
    WeightMap weights(folder.path(), architecture.weight_name);
    const auto model = architecture.make(JsonFields(config, "config.json"), weights, backend, {});
    return testing::values_of(model->forward(ops, testing::rows_of_length({4}), {}));
  };
  const std::vector<float> plain = hidden(1.0F);
  const std::vector<float> small = hidden(1e-4F);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    ASSERT_NEAR(small[i], plain[i], 2e-3F) << i;  // 1e-12 beside 1e-8
  }
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
