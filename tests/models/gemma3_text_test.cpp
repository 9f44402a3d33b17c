// Gemma 3: traits, the windows of a configuration without layer_types, and what is refused.
#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using testing::row_of;
using testing::TinyDecoder;

TinyDecoder gemma(int num_layers = 2) {
  TinyDecoder tiny("gemma3_text");
  for (int index = 0; index < num_layers; ++index) {
    const std::string layer = "layers." + std::to_string(index) + ".";
    tiny.add(layer + "self_attn.q_norm", {4});
    tiny.add(layer + "self_attn.k_norm", {4});
    tiny.add(layer + "pre_feedforward_layernorm", {8});
    tiny.add(layer + "post_feedforward_layernorm", {8});
  }
  if (num_layers == 1) {
    std::erase_if(tiny.tensors, [](const auto& entry) { return entry.first.starts_with("layers.1."); });
  }
  tiny.config.update({{"num_hidden_layers", num_layers},
                      {"rope_local_base_freq", 100.0},
                      {"sliding_window", 2},
                      {"query_pre_attn_scalar", 4}});
  return tiny;
}

// Whether a change of the token at `from`, of five, reaches the token at `to`.
bool reaches(TinyDecoder tiny, std::size_t from, int to) {
  const std::unique_ptr<Model> model = tiny.make();
  testing::ScalarOps ops;
  std::vector<std::int32_t> ids = {1, 2, 3, 4, 5};
  const Tensor a = model->forward(ops, row_of(ids), {});
  ids[from] = 7;
  const Tensor b = model->forward(ops, row_of(ids), {});
  return testing::at(a, to, 0) != testing::at(b, to, 0);
}

TEST(Gemma3Text, TellsItsTraits) {
  const std::unique_ptr<Model> model = gemma().make();
  EXPECT_EQ(model->traits().hidden_size, 8);
  EXPECT_EQ(model->traits().num_layers, 2);
  EXPECT_EQ(model->traits().max_positions, 32);
  EXPECT_EQ(model->traits().vocab_size, 12);
}

TEST(Gemma3Text, ACausalWindowCountsTheTokenItself) {
  EXPECT_TRUE(reaches(gemma(1), 1, 2));
  EXPECT_FALSE(reaches(gemma(1), 0, 2));
  EXPECT_FALSE(reaches(gemma(1), 3, 2));
}

TEST(Gemma3Text, BothWaysHalfOfTheWindowIsOnEitherSide) {
  TinyDecoder tiny = gemma(1);
  tiny.config["use_bidirectional_attention"] = true;
  tiny.config["sliding_window"] = 3;  // half of it, rounded down, is 1
  EXPECT_TRUE(reaches(std::move(tiny), 3, 2));
  TinyDecoder far = gemma(1);
  far.config["use_bidirectional_attention"] = true;
  far.config["sliding_window"] = 3;
  EXPECT_FALSE(reaches(std::move(far), 4, 2));
}

// As transformers 5.23 masks a window of 3: its own word for both ways halves it, the word of all decoders does not.
TEST(Gemma3Text, WithoutCausalMasksTheWholeWindowIsOnEitherSide) {
  const auto last_reached = [](const nlohmann::json& changes) {
    int place = 4;
    for (int to = 4; to >= 0; --to) {
      TinyDecoder tiny = gemma(1);
      tiny.config.update({{"sliding_window", 3}});
      tiny.config.update(changes);
      place = reaches(std::move(tiny), 4, to) ? to : place;
    }
    return place;
  };
  EXPECT_EQ(last_reached({{"is_causal", false}}), 1);
  EXPECT_EQ(last_reached({{"is_causal", false}, {"use_bidirectional_attention", true}}), 2);
  EXPECT_EQ(last_reached({{"use_bidirectional_attention", true}}), 3);
  EXPECT_EQ(last_reached({{"is_causal", true}, {"use_bidirectional_attention", false}}), 4);
}

TEST(Gemma3Text, WithoutLayerTypesThePatternSaysWhichLayersAreFull) {
  EXPECT_FALSE(reaches(gemma(1), 0, 2));  // every sixth one
  TinyDecoder all_full = gemma(1);
  all_full.config["sliding_window_pattern"] = 1;
  EXPECT_TRUE(reaches(std::move(all_full), 0, 2));
}

// "rope_scaling" is about the layers that see all, as Gemma 3 of 4 billion parameters and more has it.
TEST(Gemma3Text, ScalesThePositionsOfFullLayersAlone) {
  const auto hidden = [](int pattern, const nlohmann::json& changes) {
    TinyDecoder tiny = gemma(1);
    tiny.config["sliding_window_pattern"] = pattern;
    tiny.config.update(changes);
    testing::ScalarOps ops;
    return testing::values_of(tiny.make()->forward(ops, row_of({1, 2, 3, 4, 5}), {}));
  };
  const nlohmann::json nothing = nlohmann::json::object();
  const nlohmann::json scaling = {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}};
  EXPECT_EQ(hidden(2, scaling), hidden(2, nothing));  // the one layer has a window
  EXPECT_NE(hidden(1, scaling), hidden(1, nothing));
}

TEST(Gemma3TextWeightNames, LoseThePrefix) {
  const auto& rule = find_architecture("gemma3_text").weight_name;
  EXPECT_EQ(rule("model.layers.0.mlp.up_proj.weight"), "layers.0.mlp.up_proj.weight");
  EXPECT_EQ(rule("norm.weight"), "norm.weight");
}

TEST(Gemma3TextConfig, RefusesWhatItCannotCompute) {
  const auto load_with = [](const nlohmann::json& changes) {
    TinyDecoder tiny = gemma();
    tiny.config.update(changes);
    return tiny.make();
  };
  EXPECT_ERROR(kUnsupported, "'attn_logit_softcapping' is 50.0, only null is supported",
               load_with({{"attn_logit_softcapping", 50.0}}));
  EXPECT_ERROR(kUnsupported, "'final_logit_softcapping' is 30.0", load_with({{"final_logit_softcapping", 30.0}}));
  EXPECT_ERROR(kCorruptModel, "rope_local_base_freq", load_with({{"rope_local_base_freq", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "rope_theta", load_with({{"rope_theta", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "sliding_window", load_with({{"sliding_window", nullptr}}));
  EXPECT_ERROR(kCorruptModel, "query_pre_attn_scalar", load_with({{"query_pre_attn_scalar", 0}}));
  EXPECT_ERROR(kCorruptModel, "'is_causal' is true, but 'use_bidirectional_attention' is true, too",
               load_with({{"is_causal", true}, {"use_bidirectional_attention", true}}));
  EXPECT_ERROR(kUnsupported, "'mish'", load_with({{"hidden_activation", "mish"}}));
}

}  // namespace
}  // namespace mlxe
