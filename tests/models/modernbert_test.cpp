// ModernBERT: bits of all lengths up to 300 tokens in mixed batches, dialects of its configuration, what is refused.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/make_backend.h"
#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/scalar_tensors.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using testing::FloatTensor;
using testing::random_tensor;

struct TinyModernBert {
  testing::TemporaryFolder folder;
  nlohmann::json config = {
      {"model_type", "modernbert"},     {"vocab_size", 24},           {"hidden_size", 8},
      {"num_hidden_layers", 3},         {"num_attention_heads", 2},   {"intermediate_size", 6},
      {"max_position_embeddings", 300}, {"local_attention", 16},      {"global_attn_every_n_layers", 2},
      {"global_rope_theta", 160000.0},  {"local_rope_theta", 10000.0}};
  std::map<std::string, FloatTensor> tensors;

  TinyModernBert() {
    std::uint32_t seed = 1;
    const auto add = [&](const std::string& name, std::vector<int> shape) {
      tensors[name] = random_tensor(std::move(shape), seed++);
    };
    add("model.embeddings.tok_embeddings.weight", {24, 8});
    add("model.embeddings.norm.weight", {8});
    for (int index = 0; index < 3; ++index) {
      const std::string layer = "model.layers." + std::to_string(index) + ".";
      if (index != 0) {
        add(layer + "attn_norm.weight", {8});
      }
      add(layer + "attn.Wqkv.weight", {24, 8});
      add(layer + "attn.Wo.weight", {8, 8});
      add(layer + "mlp_norm.weight", {8});
      add(layer + "mlp.Wi.weight", {12, 8});
      add(layer + "mlp.Wo.weight", {8, 6});
    }
    add("model.final_norm.weight", {8});
  }

  [[nodiscard]] std::unique_ptr<Model> make(Backend& backend, const HeadSpec& head = {}) const {
    folder.write("model.safetensors", testing::to_safetensors(tensors));
    const Architecture& architecture = find_architecture("modernbert");
    WeightMap weights(folder.path(), architecture.weight_name);
    std::unique_ptr<Model> model = architecture.make(JsonFields(config, "config.json"), weights, backend, head);
    weights.finish();
    return model;
  }
};

PackedBatch batch_of(const std::vector<int>& lengths) {
  PackedBatch batch;
  for (const int length : lengths) {
    for (int i = 0; i < length; ++i) {
      batch.token_ids.push_back((7 * i + length) % 24);
    }
    batch.offsets.push_back(batch.num_tokens());
  }
  batch.type_ids.resize(batch.token_ids.size());
  return batch;
}

std::vector<float> hidden_states(Backend& backend, const Model& model, const PackedBatch& batch) {
  std::vector<float> values(batch.token_ids.size() * 8);
  backend.run(1, [&](Ops& ops, std::size_t) { ops.read(model.forward(ops, batch, {}), values); });
  return values;
}

// With padding, rows of other lengths met windows that held nothing but padding, and became NaN.
TEST(ModernBert, MixedLengthsFrom1To300GiveTheBitsThatEachHasAloneAndNoNan) {
  const std::unique_ptr<Backend> backend =
      make_backend({.device = Device::kCpu, .precision = Precision::kFp32, .threads = 1});
  const std::unique_ptr<Model> model = TinyModernBert().make(*backend);
  std::vector<std::vector<float>> alone;
  for (int length = 1; length <= 300; ++length) {
    alone.push_back(hidden_states(*backend, *model, batch_of({length})));
    ASSERT_TRUE(std::ranges::all_of(alone.back(), [](float x) { return std::isfinite(x); })) << length;
  }
  for (int length = 1; length <= 300; ++length) {
    // Beside a short one, a multiple of 32 and the longest.
    const std::vector<int> lengths = {1 + length % 7, length, 32 * (1 + length % 9), 301 - length};
    const std::vector<float> together = hidden_states(*backend, *model, batch_of(lengths));
    const float* row = together.data();
    for (const int each : lengths) {
      const std::vector<float>& wanted = alone[static_cast<std::size_t>(each - 1)];
      ASSERT_EQ(std::memcmp(row, wanted.data(), wanted.size() * sizeof(float)), 0)
          << "row of " << each << " tokens beside others, length " << length;
      row += wanted.size();
    }
  }
}

TEST(ModernBert, TellsItsTraits) {
  testing::ScalarBackend backend;
  const ModelTraits traits = TinyModernBert().make(backend)->traits();
  EXPECT_EQ(traits.hidden_size, 8);
  EXPECT_EQ(traits.num_layers, 3);
  EXPECT_EQ(traits.max_positions, 300);
  EXPECT_EQ(traits.vocab_size, 24);
  EXPECT_EQ(traits.num_token_types, 0);
}

TEST(ModernBert, BothDialectsOfItsConfigurationAreOneModel) {
  testing::ScalarBackend backend;
  TinyModernBert tiny;
  const PackedBatch batch = batch_of({40, 3});
  const std::vector<float> older = hidden_states(backend, *tiny.make(backend), batch);
  for (const char* key : {"global_attn_every_n_layers", "global_rope_theta", "local_rope_theta"}) {
    tiny.config.erase(key);
  }
  tiny.config["layer_types"] = {"full_attention", "sliding_attention", "full_attention"};
  tiny.config["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", 160000.0}}},
                                    {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10000.0}}}};
  EXPECT_EQ(hidden_states(backend, *tiny.make(backend), batch), older);
  tiny.config["layer_types"] = {"full_attention", "full_attention", "full_attention"};
  EXPECT_NE(hidden_states(backend, *tiny.make(backend), batch), older);
}

TEST(ModernBert, RefusesWhatItCannotCompute) {
  testing::ScalarBackend backend;
  const auto load_with = [&](const nlohmann::json& values, const HeadSpec& head = {}) {
    TinyModernBert tiny;
    tiny.config.update(values);
    return tiny.make(backend, head);
  };
  EXPECT_ERROR(kCorruptModel, "'global_rope_theta' is missing", load_with({{"global_rope_theta", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "'local_rope_theta' is missing", load_with({{"local_rope_theta", nullptr}}));
  EXPECT_ERROR(kUnsupported, "'mish'", load_with({{"hidden_activation", "mish"}}));
  EXPECT_ERROR(kUnsupported, "'classifier_pooling' is 'max', wanted 'cls' or 'mean'",
               load_with({{"classifier_pooling", "max"}}));
  EXPECT_ERROR(kCorruptModel, "'hidden_size' is 8", load_with({{"num_attention_heads", 3}}));
  EXPECT_ERROR(kCorruptModel, "layers.0.attn.Wqkv.bias: wanted [24]", load_with({{"attention_bias", true}}));
  EXPECT_ERROR(kCorruptModel, "final_norm.bias: wanted [8]", load_with({{"norm_bias", true}}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(nlohmann::json::object(), {.kind = HeadKind::kNextToken}));
}

TEST(ModernBert, WeightNamesLoseThePrefix) {
  const auto& rule = find_architecture("modernbert").weight_name;
  EXPECT_EQ(rule("model.layers.0.attn.Wo.weight"), "layers.0.attn.Wo.weight");
  EXPECT_EQ(rule("head.dense.weight"), "head.dense.weight");
}

}  // namespace
}  // namespace mlxe
