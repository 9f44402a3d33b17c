// The privacy filter: traits, its window, names, and what is refused. The oracle's numbers are in the conformance test.
#include <optional>

#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using testing::row_of;
using testing::TinyDecoder;

// One layer without biases of attention, two of three experts for each token.
TinyDecoder privacy_filter() {
  TinyDecoder tiny("openai_privacy_filter");
  std::erase_if(tiny.tensors, [](const auto& entry) {
    return entry.first.starts_with("layers.1.") || entry.first.starts_with("layers.0.mlp.");
  });
  tiny.config.update({{"num_hidden_layers", 1},
                      {"attention_bias", false},
                      {"sliding_window", 1},
                      {"num_local_experts", 3},
                      {"num_experts_per_tok", 2},
                      {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 10000.0}}}});
  tiny.config.erase("rope_theta");
  const auto add = [&](const std::string& name, std::vector<int> shape) {
    tiny.tensors["layers.0." + name] = testing::random_tensor(std::move(shape), 100);
  };
  add("self_attn.sinks", {2});
  add("mlp.router.weight", {3, 8});
  add("mlp.router.bias", {3});
  add("mlp.experts.gate_up_proj", {3, 8, 12});
  add("mlp.experts.gate_up_proj_bias", {3, 12});
  add("mlp.experts.down_proj", {3, 6, 8});
  add("mlp.experts.down_proj_bias", {3, 8});
  return tiny;
}

TEST(OpenAIPrivacyFilter, TellsItsTraits) {
  const std::unique_ptr<Model> model = privacy_filter().make();
  EXPECT_EQ(model->traits().hidden_size, 8);
  EXPECT_EQ(model->traits().num_layers, 1);
  EXPECT_EQ(model->traits().max_positions, 32);
  EXPECT_EQ(model->traits().vocab_size, 12);
}

TEST(OpenAIPrivacyFilter, TheWindowIsOnEitherSide) {
  const std::unique_ptr<Model> model = privacy_filter().make();
  testing::ScalarOps ops;
  const Tensor a = model->forward(ops, row_of({1, 2, 3, 4, 5}), {});
  const Tensor b = model->forward(ops, row_of({1, 2, 7, 4, 5}), {});
  for (const int token : {0, 1, 2, 3, 4}) {
    EXPECT_EQ(testing::at(a, token, 0) != testing::at(b, token, 0), token >= 1 && token <= 3) << token;
  }
}

struct AttentionSpy : testing::ScalarOps {
  std::optional<int> left;
  std::optional<int> right;
  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                   const AttentionSpec& spec, const TokenChoice& wanted) override {
    left = spec.left_window;
    right = spec.right_window;
    return ScalarOps::attention(q, k, v, batch, spec, wanted);
  }
};

TEST(OpenAIPrivacyFilter, SaysWhatAFileLeavesOutAsTransformersDoes) {
  TinyDecoder tiny = privacy_filter();
  tiny.config.erase("sliding_window");
  AttentionSpy ops;
  (void)tiny.make()->forward(ops, row_of({1, 2, 3}), {});
  EXPECT_EQ(ops.left, 128);
  EXPECT_EQ(ops.right, 128);
  TinyDecoder wider = privacy_filter();
  wider.config.erase("head_dim");
  EXPECT_ERROR(kCorruptModel, "self_attn.q_proj.weight: has shape [8, 8], wanted [128, 8]", wider.make());
  TinyDecoder many = privacy_filter();
  many.config.erase("num_local_experts");
  EXPECT_ERROR(kCorruptModel, "mlp.router.weight: has shape [3, 8], wanted [128, 8]", many.make());
}

TEST(OpenAIPrivacyFilter, GivesALogitForEachLabelOfEachToken) {
  TinyDecoder tiny = privacy_filter();
  const HeadSpec head = {.kind = HeadKind::kToken, .num_labels = 5};
  tiny.add("score", {5, 8});
  EXPECT_ERROR(kCorruptModel, "score.bias", tiny.make(head));
  tiny.tensors["score.bias"] = testing::random_tensor({5}, 7);
  const std::unique_ptr<Model> model = tiny.make(head);
  testing::ScalarOps ops;
  const PackedBatch batch = row_of({1, 2, 3});
  const Tensor logits = forward_logits(*model, ops, batch);
  EXPECT_EQ(logits.rows(), 3);
  EXPECT_EQ(logits.columns(), 5);
}

TEST(OpenAIPrivacyFilter, NamesMissingAndMisshapenExperts) {
  TinyDecoder tiny = privacy_filter();
  tiny.tensors.erase("layers.0.mlp.experts.down_proj");
  tiny.tensors["layers.0.mlp.experts.gate_up_proj"] = testing::random_tensor({3, 12, 8}, 1);
  EXPECT_ERROR(kCorruptModel, "layers.0.mlp.experts.down_proj", tiny.make());
  EXPECT_ERROR(kCorruptModel, "[3, 8, 12]", tiny.make());
}

TEST(OpenAIPrivacyFilterWeightNames, LoseThePrefix) {
  const auto& rule = find_architecture("openai_privacy_filter").weight_name;
  EXPECT_EQ(rule("model.layers.0.self_attn.sinks"), "layers.0.self_attn.sinks");
  EXPECT_EQ(rule("score.bias"), "score.bias");
}

TEST(OpenAIPrivacyFilterConfig, RefusesWhatItCannotCompute) {
  const auto load_with = [](const nlohmann::json& changes) {
    TinyDecoder tiny = privacy_filter();
    tiny.config.update(changes);
    return tiny.make();
  };
  EXPECT_ERROR(kUnsupported, "'swiglu_alpha' is 1.5, only 1.702 is supported", load_with({{"swiglu_alpha", 1.5}}));
  EXPECT_ERROR(kCorruptModel, "swiglu_limit", load_with({{"swiglu_limit", -1}}));
  EXPECT_ERROR(kCorruptModel, "num_experts_per_tok", load_with({{"num_experts_per_tok", 4}}));
  EXPECT_ERROR(kCorruptModel, "rope_theta", load_with({{"rope_parameters", {{"rope_type", "default"}}}}));
  EXPECT_ERROR(kCorruptModel, "'rope_parameters' is missing",
               load_with({{"rope_parameters", nullptr}, {"rope_theta", 150000.0}}));
}

}  // namespace
}  // namespace mlxe
