// LFM2: traits, both directions, tokens that others may not see, the width of its MLP, and what is refused.
#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using testing::row_of;
using testing::TinyDecoder;

// One layer: a convolution over three tokens, or attention.
TinyDecoder lfm2(bool is_conv = true) {
  TinyDecoder tiny("lfm2");
  tiny.tensors.clear();
  tiny.config.update({{"num_hidden_layers", 1},
                      {"layer_types", {is_conv ? "conv" : "full_attention"}},
                      {"block_auto_adjust_ff_dim", false}});
  tiny.add("embed_tokens", {12, 8});
  tiny.add("embedding_norm", {8});
  tiny.add("layers.0.operator_norm", {8});
  tiny.add("layers.0.ffn_norm", {8});
  tiny.add("layers.0.feed_forward.w1", {6, 8});
  tiny.add("layers.0.feed_forward.w3", {6, 8});
  tiny.add("layers.0.feed_forward.w2", {8, 6});
  if (is_conv) {
    tiny.add("layers.0.conv.in_proj", {24, 8});
    tiny.add("layers.0.conv.conv", {8, 1, 3});
    tiny.add("layers.0.conv.out_proj", {8, 8});
  } else {
    for (const char* name : {"q_proj", "out_proj"}) {
      tiny.add(std::string("layers.0.self_attn.") + name, {8, 8});
    }
    for (const char* name : {"k_proj", "v_proj"}) {
      tiny.add(std::string("layers.0.self_attn.") + name, {4, 8});
    }
    for (const char* name : {"q_layernorm", "k_layernorm"}) {
      tiny.add(std::string("layers.0.self_attn.") + name, {4});
    }
  }
  return tiny;
}

// Whether a change of the token at `from`, of six, reaches the token at `to`; tokens from num_keys on are hidden.
bool reaches(const Model& model, std::size_t from, int to, int num_keys = 6) {
  testing::ScalarOps ops;
  PackedBatch batch = row_of({1, 2, 3, 4, 5, 6});
  batch.key_lengths = {num_keys};
  const Tensor a = model.forward(ops, batch, {});
  batch.token_ids[from] = 7;
  const Tensor b = model.forward(ops, batch, {});
  return testing::at(a, to, 0) != testing::at(b, to, 0);
}

TEST(Lfm2, TellsItsTraits) {
  const std::unique_ptr<Model> model = lfm2().make();
  EXPECT_EQ(model->traits().hidden_size, 8);
  EXPECT_EQ(model->traits().num_layers, 1);
  EXPECT_EQ(model->traits().max_positions, 32);
  EXPECT_EQ(model->traits().vocab_size, 12);
}

// The older word; transformers writes `tie_word_embeddings`.
TEST(Lfm2, TieEmbeddingSaysWhoseTheOutputEmbeddingsAre) {
  TinyDecoder tiny = lfm2();
  const HeadSpec head = {.kind = HeadKind::kNextToken, .token_ids = {7}};
  tiny.config["tie_embedding"] = false;
  EXPECT_ERROR(kCorruptModel, "lm_head.weight", tiny.make(head));
  tiny.config["tie_embedding"] = true;
  tiny.config["tie_word_embeddings"] = false;
  EXPECT_NO_THROW((void)tiny.make(head));
}

TEST(Lfm2, LooksBackOnly) {
  const std::unique_ptr<Model> conv = lfm2().make();
  EXPECT_TRUE(reaches(*conv, 0, 2));
  EXPECT_FALSE(reaches(*conv, 0, 3));
  EXPECT_FALSE(reaches(*conv, 3, 2));
  const std::unique_ptr<Model> attention = lfm2(false).make();
  EXPECT_TRUE(reaches(*attention, 0, 5));
  EXPECT_FALSE(reaches(*attention, 5, 4));
}

TEST(Lfm2, TheBidirectionalModelSeesBothSides) {
  for (const bool is_conv : {true, false}) {
    TinyDecoder tiny = lfm2(is_conv);
    tiny.config["architectures"] = {"Lfm2BidirectionalModel"};
    const std::unique_ptr<Model> model = tiny.make();
    EXPECT_TRUE(reaches(*model, 3, 2));
    EXPECT_TRUE(reaches(*model, 1, 2));
    EXPECT_EQ(reaches(*model, 4, 2), !is_conv);
    EXPECT_EQ(reaches(*model, 0, 2), !is_conv);
  }
}

// What transformers does with "is_causal": the masks of attention change, the convolutions stay.
TEST(Lfm2, WithoutCausalMasksOnlyAttentionSeesBothSides) {
  for (const bool is_conv : {true, false}) {
    TinyDecoder tiny = lfm2(is_conv);
    tiny.config["is_causal"] = false;
    const std::unique_ptr<Model> model = tiny.make();
    EXPECT_EQ(reaches(*model, 5, 0), !is_conv);
    EXPECT_EQ(reaches(*model, 0, 3), !is_conv);
    EXPECT_TRUE(reaches(*model, 0, 2));
  }
}

// transformers zeroes them before the layer, so that they neither give to a convolution nor take from it.
TEST(Lfm2, HiddenTokensTakeNoPartInConvolutions) {
  TinyDecoder tiny = lfm2();
  tiny.config["architectures"] = {"Lfm2BidirectionalModel"};
  const std::unique_ptr<Model> model = tiny.make();
  EXPECT_TRUE(reaches(*model, 4, 3));
  EXPECT_FALSE(reaches(*model, 4, 3, 4));
  EXPECT_TRUE(reaches(*model, 3, 4));
  EXPECT_FALSE(reaches(*model, 3, 4, 4));
  EXPECT_TRUE(reaches(*model, 2, 3, 4));
}

TEST(Lfm2, HiddenTokensSeeTheOthersInAttention) {
  const std::unique_ptr<Model> model = lfm2(false).make();
  EXPECT_TRUE(reaches(*model, 3, 5, 4));
  EXPECT_FALSE(reaches(*model, 4, 5, 4));
}

TEST(Lfm2Config, TheWidthOfTheMlpIsAdjusted) {
  TinyDecoder tiny = lfm2();
  tiny.config.update({{"block_auto_adjust_ff_dim", true}, {"block_ff_dim", 24}});
  tiny.config.update({{"block_multiple_of", 10}, {"block_ffn_dim_multiplier", 1.2}});
  for (const char* name : {"w1", "w3"}) {
    tiny.add(std::string("layers.0.feed_forward.") + name, {20, 8});  // 24 * 2 / 3 = 16, * 1.2 = 19, to the next ten
  }
  tiny.add("layers.0.feed_forward.w2", {8, 20});
  EXPECT_NO_THROW((void)tiny.make());
  tiny.config["block_ffn_dim_multiplier"] = nullptr;
  EXPECT_ERROR(kCorruptModel, "[16, 8]", tiny.make());
}

TEST(Lfm2Config, LayersThatAreNotListedAsAttentionAreConvolutions) {
  TinyDecoder tiny = lfm2(false);
  tiny.config.erase("layer_types");
  EXPECT_NO_THROW((void)tiny.make());  // without any list all layers are attention
  tiny.config["full_attn_idxs"] = {0};
  EXPECT_NO_THROW((void)tiny.make());
  tiny.config["full_attn_idxs"] = {1};
  EXPECT_ERROR(kCorruptModel, "'full_attn_idxs' is [1], wanted numbers of layers below 1", tiny.make());
  TinyDecoder conv = lfm2();
  conv.config.erase("layer_types");
  conv.config["full_attn_idxs"] = nlohmann::json::array();
  EXPECT_NO_THROW((void)conv.make());
}

TEST(Lfm2Config, RefusesWhatItCannotCompute) {
  TinyDecoder tiny = lfm2();
  tiny.config.update({{"architectures", {"Lfm2BidirectionalModel"}}, {"conv_L_cache", 4}});
  EXPECT_ERROR(kUnsupported, "'conv_L_cache' is 4", tiny.make());
  tiny.config.update({{"conv_L_cache", 3}, {"is_causal", true}});
  EXPECT_ERROR(kCorruptModel, "'is_causal' is true, but the architecture that it names looks both ways", tiny.make());
  tiny.config.update({{"architectures", {"Lfm2Model"}}, {"use_bidirectional_attention", true}});
  EXPECT_ERROR(kUnsupported, "'use_bidirectional_attention' is true, wanted Lfm2BidirectionalModel", tiny.make());
  TinyDecoder no_theta = lfm2();
  no_theta.config.erase("rope_theta");
  EXPECT_ERROR(kCorruptModel, "rope_theta", no_theta.make());
}

TEST(Lfm2WeightNames, LoseThePrefix) {
  const auto& rule = find_architecture("lfm2").weight_name;
  EXPECT_EQ(rule("model.layers.0.conv.in_proj.weight"), "layers.0.conv.in_proj.weight");
  EXPECT_EQ(rule("embedding_norm.weight"), "embedding_norm.weight");
}

}  // namespace
}  // namespace mlxe
