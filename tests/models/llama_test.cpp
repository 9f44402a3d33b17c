// The Llama family: which of its members has which biases, norms and windows, heads, names, and what is refused.
#include <algorithm>
#include <array>
#include <cmath>

#include <gmock/gmock.h>

#include "engine/make_backend.h"
#include "models/shared/decoder_weights.h"
#include "support/expect_error.h"
#include "support/quantized_tensors.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using testing::row_of;
using testing::TinyDecoder;
using testing::values_of;

TinyDecoder qwen3() {
  TinyDecoder tiny("qwen3");
  for (const std::string layer : {"layers.0.", "layers.1."}) {
    tiny.add(layer + "self_attn.q_norm", {4});
    tiny.add(layer + "self_attn.k_norm", {4});
  }
  return tiny;
}

// Whether a change of the last token of five reaches the token at `place`.
bool reaches(TinyDecoder& tiny, int place) {
  const std::unique_ptr<Model> model = tiny.make();
  testing::ScalarOps ops;
  const Tensor a = model->forward(ops, row_of({1, 2, 3, 4, 5}), {});
  const Tensor b = model->forward(ops, row_of({1, 2, 3, 4, 6}), {});
  return testing::at(a, place, 0) != testing::at(b, place, 0);
}

TEST(Llama, TellsItsTraits) {
  const std::unique_ptr<Model> model = qwen3().make();
  EXPECT_EQ(model->traits().hidden_size, 8);
  EXPECT_EQ(model->traits().num_layers, 2);
  EXPECT_EQ(model->traits().max_positions, 32);
  EXPECT_EQ(model->traits().vocab_size, 12);
  EXPECT_EQ(model->traits().num_token_types, 0);
}

TEST(Llama, LooksBackOnlyUnlessToldOtherwise) {
  TinyDecoder causal = qwen3();
  EXPECT_FALSE(reaches(causal, 3));
  TinyDecoder voyage = qwen3();
  voyage.config["use_bidirectional_attention"] = true;
  EXPECT_TRUE(reaches(voyage, 0));
  TinyDecoder gte = qwen3();
  gte.config["is_causal"] = false;
  EXPECT_TRUE(reaches(gte, 0));
}

// Factors that make LongRoPE what other scalings are: none up to four tokens, linear beyond.
TEST(Llama, LongropeGoesByTheLengthOfEachText) {
  const auto with_rope = [](const nlohmann::json& parameters) {
    TinyDecoder tiny = qwen3();
    tiny.config["rope_parameters"] = parameters;
    tiny.config["rope_parameters"]["rope_theta"] = 10000.0;
    return tiny.make();
  };
  const auto longrope = with_rope({{"rope_type", "longrope"},
                                   {"short_factor", {1.0, 1.0}},
                                   {"long_factor", {4.0, 4.0}},
                                   {"attention_factor", 1.0},
                                   {"original_max_position_embeddings", 4}});
  const auto plain = with_rope({{"rope_type", "default"}});
  const auto linear = with_rope({{"rope_type", "linear"}, {"factor", 4.0}});
  testing::ScalarOps ops;
  const auto values = [&](const Model& model, const PackedBatch& batch) {
    return values_of(model.forward(ops, batch, {}));
  };
  const PackedBatch shorter = row_of({1, 2, 3, 4});
  const PackedBatch longer = row_of({5, 6, 7, 8, 9});
  EXPECT_EQ(values(*longrope, shorter), values(*plain, shorter));
  EXPECT_EQ(values(*longrope, longer), values(*linear, longer));
  EXPECT_NE(values(*linear, longer), values(*plain, longer));
  PackedBatch both = row_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4});
  both.offsets = {0, 4, 9, 13};
  std::vector<float> wanted = values(*plain, shorter);
  const std::vector<float> middle = values(*linear, longer);
  wanted.insert(wanted.end(), middle.begin(), middle.end());
  wanted.insert(wanted.end(), wanted.begin(), wanted.begin() + 32);
  EXPECT_EQ(values(*longrope, both), wanted);
}

TEST(Llama, WarnsOfCodeThatIsNotRunUnlessTheDirectionIsSaid) {
  const auto warnings = [](const nlohmann::json& changes) {
    TinyDecoder tiny = qwen3();
    tiny.config.update(changes);
    return tiny.make()->traits().warnings;
  };
  const nlohmann::json code = {{"AutoModel", "modeling_own.OwnModel"}};
  EXPECT_THAT(warnings({{"auto_map", code}}), ::testing::ElementsAre(::testing::HasSubstr(
                                                  "'auto_map' of config.json names code of the checkpoint's own, "
                                                  "which is not run: this is qwen3")));
  EXPECT_THAT(warnings({{"auto_map", code}, {"is_causal", true}}), ::testing::IsEmpty());
  EXPECT_THAT(warnings({{"auto_map", code}, {"use_bidirectional_attention", true}}), ::testing::IsEmpty());
  EXPECT_THAT(warnings({{"auto_map", {{"AutoConfig", "modeling_own.OwnConfig"}}}}), ::testing::IsEmpty());
}

TEST(Llama, AWindowThatIsSwitchedOffMayBeNothing) {
  TinyDecoder tiny = qwen3();
  tiny.config.update({{"use_sliding_window", false}, {"sliding_window", 0}});
  EXPECT_NO_THROW((void)tiny.make());
  tiny.config.update({{"use_sliding_window", true}, {"max_window_layers", 0}});
  EXPECT_ERROR(kCorruptModel, "'sliding_window' is 0", tiny.make());
}

// One layer, so that a token sees exactly its window.
TEST(Llama, TwoWayWindowsReachThatFarOnEitherSide) {
  TinyDecoder tiny = qwen3();
  std::erase_if(tiny.tensors, [](const auto& entry) { return entry.first.starts_with("layers.1."); });
  tiny.config.update({{"num_hidden_layers", 1},
                      {"is_causal", false},
                      {"use_sliding_window", true},
                      {"sliding_window", 2},
                      {"max_window_layers", 0}});
  EXPECT_TRUE(reaches(tiny, 2));
  EXPECT_FALSE(reaches(tiny, 1));
}

// One layer; the file does not say, says 'none', or says how far.
TEST(Llama, AMistralThatDoesNotSayHasTheWindowOfTheFirstOne) {
  constexpr int kLength = 4098;
  const std::unique_ptr<Backend> backend =
      make_backend({.device = Device::kCpu, .precision = Precision::kFp32, .threads = 1});
  // The last token that a change of the first one reaches.
  const auto farthest_from_the_first = [&](const nlohmann::json& window) {
    TinyDecoder tiny("mistral");
    std::erase_if(tiny.tensors, [](const auto& entry) { return entry.first.starts_with("layers.1."); });
    tiny.config.update({{"num_hidden_layers", 1}, {"max_position_embeddings", 8192}});
    // Every token that is seen counts as much as the others.
    std::ranges::fill(tiny.tensors.at("layers.0.self_attn.q_proj.weight").values, 0.0F);
    if (!window.is_discarded()) {
      tiny.config["sliding_window"] = window;
    }
    const std::unique_ptr<Model> model = tiny.make_on(*backend);
    std::vector<std::int32_t> ids(kLength, 3);
    const auto hidden_states = [&] {
      std::vector<float> values(std::size_t{8} * kLength);
      backend->run(1, [&](Ops& ops, std::size_t) { ops.read(model->forward(ops, row_of(ids), {}), values); });
      return values;
    };
    const std::vector<float> before = hidden_states();
    ids.front() = 4;
    const std::vector<float> after = hidden_states();
    int last = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      last = before[i] != after[i] ? static_cast<int>(i / 8) : last;
    }
    return last;
  };
  EXPECT_EQ(farthest_from_the_first(nlohmann::json::value_t::discarded), 4095);
  EXPECT_EQ(farthest_from_the_first(nullptr), kLength - 1);
  EXPECT_EQ(farthest_from_the_first(7), 6);
}

TEST(LlamaHead, NextTokenGivesTheRowsOfTheTiedEmbeddingsAtTheLastToken) {
  TinyDecoder tiny = qwen3();
  const std::unique_ptr<Model> model = tiny.make({.kind = HeadKind::kNextToken, .token_ids = {7, 2}});
  testing::ScalarOps ops;
  const PackedBatch batch = row_of({1, 2, 3});
  const Tensor hidden = model->forward(ops, batch, {});
  const Tensor logits = forward_logits(*model, ops, batch);
  ASSERT_EQ(logits.rows(), 1);
  ASSERT_EQ(logits.columns(), 2);
  for (int i = 0; i < 2; ++i) {
    double wanted = 0.0;
    for (int c = 0; c < 8; ++c) {
      const std::size_t row = i == 0 ? 7 : 2;
      wanted +=
          static_cast<double>(testing::at(hidden, 2, c)) *
          static_cast<double>(tiny.tensors.at("embed_tokens.weight").values[row * 8 + static_cast<std::size_t>(c)]);
    }
    EXPECT_NEAR(testing::at(logits, 0, i), wanted, 1e-5);
  }
}

TEST(LlamaHead, NextTokenTakesTheOutputEmbeddingsOfItsOwnWhereTheyAreNotTied) {
  TinyDecoder tiny = qwen3();
  tiny.config["tie_word_embeddings"] = false;
  const HeadSpec head = {.kind = HeadKind::kNextToken, .token_ids = {7}};
  EXPECT_ERROR(kCorruptModel, "lm_head.weight", tiny.make(head));
  tiny.tensors["lm_head.weight"] = {.shape = {12, 8}, .values = std::vector<float>(96, 0.0F)};
  testing::ScalarOps ops;
  const std::unique_ptr<Model> model = tiny.make(head);
  const PackedBatch batch = row_of({1, 2, 3});
  EXPECT_EQ(testing::at(forward_logits(*model, ops, batch), 0, 0), 0.0F);
}

TEST(LlamaHead, NextTokenReadsTheLastTokenAlsoWhereItDoublesAsPadding) {
  TinyDecoder tiny = qwen3();
  tiny.config["pad_token_id"] = 3;
  const std::unique_ptr<Model> model = tiny.make({.kind = HeadKind::kNextToken, .token_ids = {7, 2}});
  testing::ScalarOps ops;
  const PackedBatch batch = row_of({1, 2, 3});
  TinyDecoder without = qwen3();
  const std::unique_ptr<Model> plain = without.make({.kind = HeadKind::kNextToken, .token_ids = {7, 2}});
  EXPECT_EQ(values_of(forward_logits(*model, ops, batch)), values_of(forward_logits(*plain, ops, batch)));
}

TEST(LlamaHead, ScoreReadsTheLastTokenThatIsNoPadding) {
  TinyDecoder tiny = qwen3();
  tiny.add("score", {3, 8});
  tiny.config["pad_token_id"] = 9;
  const std::unique_ptr<Model> model = tiny.make({.kind = HeadKind::kSequence, .num_labels = 3});
  testing::ScalarOps ops;
  const auto logits_of = [&](const PackedBatch& batch) { return values_of(forward_logits(*model, ops, batch)); };
  const std::vector<float> plain = logits_of(row_of({1, 2}));
  EXPECT_EQ(plain.size(), 3U);
  EXPECT_EQ(logits_of(row_of({1, 2, 9, 9})), plain);  // causal, so what follows changes nothing
  EXPECT_NE(logits_of(row_of({1, 2, 8})), plain);
  EXPECT_EQ(logits_of(row_of({1, 9})), logits_of(row_of({1})));
  EXPECT_EQ(logits_of(row_of({9, 9})), logits_of(row_of({9})));  // all padding: the first one
}

TEST(LlamaHead, RefusesMaskedWordsAndUnknownTokens) {
  EXPECT_ERROR(kUnsupported, "no logits of masked words", qwen3().make({.kind = HeadKind::kMaskedLm}));
  EXPECT_ERROR(kInvalidInput, "token id 12 has no logit, wanted 0 to 11",
               qwen3().make({.kind = HeadKind::kNextToken, .token_ids = {12}}));
}

TEST(LlamaWeights, HeadsOfOtherTasksMayStay) {
  TinyDecoder tiny = qwen3();
  tiny.add("lm_head", {12, 8});
  tiny.add("score", {2, 8});
  EXPECT_NO_THROW((void)tiny.make());
  tiny.add("surprise", {1});
  EXPECT_ERROR(kCorruptModel, "surprise.weight", tiny.make());
}

TEST(LlamaWeights, BiasesAreWantedExactlyWhereTheConfigurationHasThem) {
  TinyDecoder tiny = qwen3();
  tiny.config["attention_bias"] = true;
  EXPECT_ERROR(kCorruptModel, "layers.0.self_attn.q_proj.bias", tiny.make());
  EXPECT_ERROR(kCorruptModel, "layers.1.self_attn.o_proj.bias", tiny.make());
}

TEST(LlamaWeightNames, LoseThePrefixAndTheSavedFrequencies) {
  const auto& rule = find_architecture("qwen3").weight_name;
  EXPECT_EQ(rule("model.layers.0.mlp.up_proj.weight"), "layers.0.mlp.up_proj.weight");
  EXPECT_EQ(rule("layers.0.mlp.up_proj.weight"), "layers.0.mlp.up_proj.weight");
  EXPECT_EQ(rule("lm_head.weight"), "lm_head.weight");
  EXPECT_EQ(rule("model.layers.3.self_attn.rotary_emb.inv_freq"), std::nullopt);
}

TEST(LlamaConfig, RefusesWhatDoesNotFit) {
  const auto load_with = [](const nlohmann::json& changes) {
    TinyDecoder tiny = qwen3();
    tiny.config.update(changes);
    return tiny.make();
  };
  EXPECT_ERROR(kCorruptModel, "'num_attention_heads' is 3, wanted a multiple of 'num_key_value_heads', which is 2",
               load_with({{"num_attention_heads", 3}, {"num_key_value_heads", 2}}));
  EXPECT_ERROR(kCorruptModel, "rope_theta", load_with({{"rope_theta", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "'is_causal' is true, but 'use_bidirectional_attention' is true, too",
               load_with({{"is_causal", true}, {"use_bidirectional_attention", true}}));
  EXPECT_ERROR(kUnsupported, "'mish'", load_with({{"hidden_act", "mish"}}));
  EXPECT_ERROR(kCorruptModel, "'layer_types' is a list of 1, wanted a list of 2",
               load_with({{"layer_types", {"full_attention"}}}));
  EXPECT_ERROR(kUnsupported, "'layer_types' has \"chunked_attention\"",
               load_with({{"layer_types", {"full_attention", "chunked_attention"}}}));
  EXPECT_ERROR(kCorruptModel, "'use_sliding_window' is false",
               load_with({{"layer_types", {"full_attention", "sliding_attention"}}}));
}

TEST(LlamaConfig, RefusesSizesThatAreAbsentOrAbsurd) {
  for (const char* key : {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                          "max_position_embeddings"}) {
    for (const nlohmann::json& value : {nlohmann::json(), nlohmann::json(0), nlohmann::json(2'000'000'000)}) {
      TinyDecoder tiny = qwen3();
      tiny.config[key] = value;
      EXPECT_ERROR(kCorruptModel, key, tiny.make());
    }
  }
}

TEST(LlamaConfig, SaysWhatAFileLeavesOutAsTransformersDoes) {
  TinyDecoder wide = qwen3();  // 128 values in a head, whatever hidden_size is
  wide.config.erase("head_dim");
  EXPECT_ERROR(kCorruptModel, "layers.0.self_attn.q_norm.weight: has shape [4], wanted [128]", wide.make());
  TinyDecoder ungrouped("llama");  // as many heads of keys as of queries
  ungrouped.config.erase("num_key_value_heads");
  EXPECT_ERROR(kCorruptModel, "layers.0.self_attn.k_proj.weight: has shape [4, 8], wanted [8, 8]", ungrouped.make());
}

TEST(LlamaConfig, HeadsWithoutAWidthDivideTheHiddenSize) {
  TinyDecoder tiny("qwen2");
  tiny.config.erase("head_dim");
  tiny.config["num_attention_heads"] = 3;
  EXPECT_ERROR(kCorruptModel, "'hidden_size' is 8, wanted a multiple of 'num_attention_heads', which is 3",
               tiny.make());
}

}  // namespace
}  // namespace mlxe
