// Nomic's BERT: traits in both dialects, names of checkpoints, and what is refused; the conformance test has its
// numbers.
#include <utility>
#include <vector>

#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

std::unique_ptr<Model> load_with(const std::string& name, const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed("tests/fixtures/" + name, changes, backend, head);
}

TEST(NomicBert, TellsItsTraits) {
  EXPECT_EQ(load_with("nomic-native", Json::object())->traits().max_positions, 128);
  EXPECT_EQ(load_with("nomic-hub", Json::object())->traits().max_positions, 256);
  EXPECT_EQ(load_with("nomic-moe", Json::object())->traits().num_token_types, 1);
  // From there on the frequencies would depend on the text's length.
  EXPECT_EQ(load_with("nomic-hub", {{"rotary_scaling_factor", 2.0}})->traits().max_positions, 128);
}

TEST(NomicBert, RefusesWhatItCannotCompute) {
  for (const char* key : {"causal", "prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved"}) {
    EXPECT_ERROR(kUnsupported, key, load_with("nomic-hub", {{key, true}}));
  }
  EXPECT_ERROR(kUnsupported, "'rotary_emb_scale_base' is 512",
               load_with("nomic-hub", {{"rotary_emb_scale_base", 512}}));
  EXPECT_ERROR(kUnsupported, "'rotary_emb_fraction' is 0", load_with("nomic-hub", {{"rotary_emb_fraction", 0.0}}));
  EXPECT_ERROR(kCorruptModel, "'rotary_emb_base' is missing", load_with("nomic-hub", {{"rotary_emb_base", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "'n_embd' is 32, wanted a multiple of 'n_head', which is 3",
               load_with("nomic-hub", {{"n_head", 3}}));
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", load_with("nomic-native", {{"rope_parameters", nullptr}}));
  EXPECT_ERROR(kUnsupported, "'head_dim' is 16, only 8", load_with("nomic-native", {{"head_dim", 16}}));
  EXPECT_ERROR(kUnsupported, "with experts only plain ones",
               load_with("nomic-moe", {{"activation_function", "swiglu"}}));
  EXPECT_ERROR(kCorruptModel, "'activation_function' is missing",
               load_with("nomic-hub", {{"activation_function", nullptr}}));
  EXPECT_ERROR(kUnsupported, "'num_shared_experts' is 1", load_with("nomic-moe", {{"num_shared_experts", 1}}));
  EXPECT_ERROR(kCorruptModel, "encoder.layers.1.mlp.experts.mlp.w2: has shape [120, 32], wanted [144, 32]",
               load_with("nomic-moe", {{"num_experts", 6}}));
  EXPECT_ERROR(kUnsupported, "no head for labels of texts",
               load_with("nomic-hub", Json::object(), {.kind = HeadKind::kSequence, .num_labels = 2}));
}

// GPT-2's configuration, which the Hub's code extends, and the words that it adds.
TEST(NomicBert, TheHubsDialectHasTheDefaultsOfItsCode) {
  testing::ScalarOps ops;
  const PackedBatch batch = testing::rows_of_length({5});
  const auto hidden = [&](const char* name, const Json& changes) {
    return testing::values_of(load_with(name, changes)->forward(ops, batch, {}));
  };
  const auto expect_default = [&](const char* name, const char* key, const Json& value) {
    EXPECT_EQ(hidden(name, {{key, nullptr}}), hidden(name, {{key, value}})) << key;
  };
  expect_default("nomic-hub", "layer_norm_epsilon", 1e-5);
  expect_default("nomic-moe", "moe_top_k", 1);
  expect_default("nomic-moe", "moe_normalize_expert_weights", false);
  EXPECT_EQ(load_with("nomic-hub", {{"n_positions", nullptr}})->traits().max_positions, 1024);
  EXPECT_EQ(
      load_with("nomic-hub", {{"n_positions", 8192}, {"rotary_scaling_factor", 2}, {"max_trained_positions", nullptr}})
          ->traits()
          .max_positions,
      2048);
  for (const char* key : {"qkv_proj_bias", "mlp_fc1_bias", "mlp_fc2_bias"}) {
    EXPECT_ERROR(kCorruptModel, ".bias", load_with("nomic-hub", {{key, nullptr}}));
  }
  EXPECT_ERROR(kCorruptModel, "wanted [128, 32]", load_with("nomic-hub", {{"n_inner", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "encoder.layers.1.mlp.fc1.weight",
               load_with("nomic-moe", {{"moe_every_n_layers", nullptr}}));
}

struct GateSpy : testing::ScalarOps {
  std::vector<Activation> gates;
  Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) override {
    gates.push_back(gate.activation);
    return ScalarOps::gated_linear(x, weight, gate);
  }
};

TEST(NomicBert, GatesByTheWordOfItsConfiguration) {
  for (const auto& [word, wanted] : {std::pair("swiglu", Activation::kSilu), std::pair("geglu", Activation::kGeluErf),
                                     std::pair("glu", Activation::kSigmoid)}) {
    GateSpy ops;
    (void)load_with("nomic-hub", {{"activation_function", word}})->forward(ops, testing::rows_of_length({3}), {});
    ASSERT_FALSE(ops.gates.empty());
    EXPECT_EQ(ops.gates, std::vector<Activation>(ops.gates.size(), wanted)) << word;
  }
}

struct RopeSpy : testing::ScalarOps {
  std::size_t pairs = 0;
  Tensor rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                      float factor) override {
    pairs = inverse_frequencies.size();
    return ScalarOps::rotary_table(positions, inverse_frequencies, factor);
  }
};

TEST(NomicBert, TurnsThePartOfAHeadThatItsConfigurationNames) {
  for (const auto& [fraction, wanted] : {std::pair(1.0, 4U), std::pair(0.5, 2U), std::pair(0.25, 1U)}) {
    RopeSpy ops;
    (void)load_with("nomic-hub", {{"rotary_emb_fraction", fraction}})->forward(ops, testing::rows_of_length({3}), {});
    EXPECT_EQ(ops.pairs, wanted) << fraction;  // heads of 8
  }
}

TEST(NomicBert, WeighsTheChosenExpertsAlsoBesideEachOther) {
  testing::ScalarOps ops;
  const PackedBatch batch = testing::rows_of_length({3});
  const auto hidden = [&](bool normalises) {
    return testing::values_of(
        load_with("nomic-moe", {{"moe_normalize_expert_weights", normalises}})->forward(ops, batch, {}));
  };
  EXPECT_NE(hidden(true), hidden(false));
}

TEST(NomicBert, WeightNamesLoseEitherPrefix) {
  const auto& rule = find_architecture("nomic_bert").weight_name;
  EXPECT_EQ(rule("bert.emb_ln.weight"), "emb_ln.weight");
  EXPECT_EQ(rule("nomic_bert.emb_ln.weight"), "emb_ln.weight");
}

}  // namespace
}  // namespace mlxe
