// GTE ("new"): traits, names of checkpoints, and what is refused; the conformance test holds its numbers.
#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

std::unique_ptr<Model> load_with(const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed("tests/fixtures/gte-multilingual", changes, backend, head);
}

TEST(New, TellsItsTraits) {
  const ModelTraits traits = load_with(Json::object())->traits();
  EXPECT_EQ(traits.hidden_size, 32);
  EXPECT_EQ(traits.max_positions, 128);
  EXPECT_EQ(traits.num_token_types, 1);
}

TEST(New, RefusesWhatItCannotCompute) {
  EXPECT_ERROR(kUnsupported, "'position_embedding_type' is 'absolute', only 'rope'",
               load_with({{"position_embedding_type", "absolute"}}));
  EXPECT_ERROR(kUnsupported, "'layer_norm_type' is 'rms_norm'", load_with({{"layer_norm_type", "rms_norm"}}));
  EXPECT_ERROR(kUnsupported, "'logn_attention_scale' is true", load_with({{"logn_attention_scale", true}}));
  EXPECT_ERROR(kUnsupported, "'pack_qkv' is false", load_with({{"pack_qkv", false}}));
  EXPECT_ERROR(kUnsupported, "'type' is 'yarn', only 'ntk'",
               load_with({{"rope_scaling", {{"type", "yarn"}, {"factor", 2.0}}}}));
  EXPECT_ERROR(kUnsupported, "'ntk' with 'mixed_b'",
               load_with({{"rope_scaling", {{"type", "ntk"}, {"factor", 2.0}, {"mixed_b", 0.6}}}}));
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", load_with({{"rope_theta", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "a head has 1 values, wanted an even number", load_with({{"num_attention_heads", 32}}));
  EXPECT_ERROR(kCorruptModel, "wanted a multiple of 'num_attention_heads', which is 3",
               load_with({{"num_attention_heads", 3}}));
  EXPECT_ERROR(kCorruptModel,
               "encoder.layer.0.mlp.up_gate_proj.weight (in the file: "
               "new.encoder.layer.0.mlp.up_gate_proj.weight): has shape [96, 32], wanted [100, 32]",
               load_with({{"intermediate_size", 50}}));
  EXPECT_ERROR(kCorruptModel, "lm_head.norm.weight", load_with(Json::object(), {.kind = HeadKind::kMaskedLm}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(Json::object(), {.kind = HeadKind::kNextToken}));
}

// Both read the same hidden states; only what stands between the head's two products may differ.
TEST(New, TheHeadOfMaskedWordsHasHiddenActInTheHubsCodeAndGeluInTransformers) {
  testing::ScalarBackend backend;
  testing::ScalarOps ops;
  const PackedBatch batch = testing::rows_of_length({2});
  const Tensor hidden = testing::new_tensor(2, 32);
  for (int i = 0; i < 64; ++i) {
    testing::values_of(hidden)[static_cast<std::size_t>(i)] = static_cast<float>((7 * i) % 13 - 6) / 4.0F;
  }
  const auto logits_with = [&](const char* folder, const char* activation) {
    const auto model =
        testing::load_changed(folder, {{"hidden_act", activation}}, backend, {.kind = HeadKind::kMaskedLm});
    return testing::values_of(model->logits(ops, hidden, batch));
  };
  EXPECT_NE(logits_with("tests/fixtures/gte-mlm", "relu"), logits_with("tests/fixtures/gte-mlm", "gelu"));
  EXPECT_EQ(logits_with("tests/fixtures/gte-native-mlm", "relu"), logits_with("tests/fixtures/gte-native-mlm", "gelu"));
}

TEST(New, WeightNamesLoseThePrefix) {
  const auto& rule = find_architecture("new").weight_name;
  EXPECT_EQ(rule("new.encoder.layer.0.attn_ln.weight"), "encoder.layer.0.attn_ln.weight");
  EXPECT_EQ(rule("gte.encoder.layer.0.attn_ln.weight"), "encoder.layer.0.attn_ln.weight");
  EXPECT_EQ(rule("classifier.weight"), "classifier.weight");
}

}  // namespace
}  // namespace mlxe
