// BERT: values of transformers for formula weights, names of checkpoints, and every switch of its configuration.
#include <cmath>
#include <vector>

#include <gmock/gmock.h>

#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/scalar_tensors.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using testing::TinyModel;

std::unique_ptr<Model> make(const TinyModel& tiny, Backend& backend) {
  const Architecture& bert = find_architecture("bert");
  WeightMap weights(tiny.write(), bert.weight_name);
  std::unique_ptr<Model> model = bert.make(JsonFields(tiny.config, "config.json"), weights, backend, HeadSpec());
  weights.finish();
  return model;
}

// Every parameter k (in the order of names) has the values sin(0.37 i^2 + 1.3 k), which the oracle computes as well.
TinyModel formula_model() {
  TinyModel tiny;
  int k = 0;
  for (auto& [name, tensor] : tiny.tensors) {
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      const auto index = static_cast<double>(i);
      tensor.values[i] = static_cast<float>(std::sin(0.37 * index * index + 1.3 * k));
    }
    ++k;
  }
  return tiny;
}

struct Golden {
  const char* name;
  nlohmann::json config;
  std::vector<float> first_token;   // of ids [2, 4, 5, 6, 3] with types [0, 0, 1, 1, 1]
  std::vector<float> middle_token;  // of ids [2, 7, 3] with types 0
};

// BertModel of transformers 5.23 in float64 on these weights.
std::vector<Golden> goldens() {
  return {{"defaults",
           {},
           {-0.5868407F, -0.480934F, -0.145363F, 1.3300404F, -0.9570377F, 1.0016463F, 0.9379009F, -1.0402737F},
           {-0.5966737F, -0.5738491F, -0.0583347F, 1.3337134F, -0.9616646F, 1.0025218F, 0.9925655F, -1.067668F}},
          {"tanh gelu and a large epsilon",
           {{"hidden_act", "gelu_new"}, {"layer_norm_eps", 0.1}},
           {-0.5843748F, -0.4665259F, -0.1448039F, 1.3300849F, -0.9580048F, 1.0018676F, 0.9150751F, -1.0346346F},
           {-0.5989975F, -0.5873412F, -0.0515345F, 1.3345629F, -0.9632788F, 1.0022896F, 0.9983647F, -1.0709481F}},
          {"relu",
           {{"hidden_act", "relu"}},
           {-0.597096F, -0.4762464F, -0.1034232F, 1.3362003F, -0.9487799F, 1.0008108F, 0.9739837F, -1.043222F},
           {-0.6135815F, -0.5839704F, -0.0256493F, 1.3365138F, -0.9510267F, 1.0013997F, 1.0479009F, -1.0921458F}}};
}

TEST(Bert, GivesTheHiddenStatesOfTransformers) {
  for (const Golden& golden : goldens()) {
    TinyModel tiny = formula_model();
    tiny.config.update(golden.config.is_null() ? nlohmann::json::object() : golden.config);
    testing::ScalarBackend backend;
    const std::unique_ptr<Model> model = make(tiny, backend);
    PackedBatch batch = testing::rows_of_length({5, 3});
    batch.token_ids = {2, 4, 5, 6, 3, 2, 7, 3};
    batch.type_ids = {0, 0, 1, 1, 1, 0, 0, 0};

    testing::ScalarOps ops;
    const Tensor hidden = model->forward(ops, batch, {});

    ASSERT_EQ(hidden.rows(), 8);
    for (int column = 0; column < 8; ++column) {
      const auto c = static_cast<std::size_t>(column);
      // Activations are rounded to float32 after each of some 20 operations of magnitude 1 to 3: a few 1e-7 each.
      EXPECT_NEAR(testing::at(hidden, 0, column), golden.first_token[c], 5e-6) << golden.name;
      EXPECT_NEAR(testing::at(hidden, 6, column), golden.middle_token[c], 5e-6) << golden.name;
    }
  }
}

TEST(Bert, TellsItsTraits) {
  testing::ScalarBackend backend;
  const std::unique_ptr<Model> model = make(TinyModel(), backend);
  const ModelTraits& traits = model->traits();
  EXPECT_EQ(traits.hidden_size, 8);
  EXPECT_EQ(traits.num_layers, 2);
  EXPECT_EQ(traits.max_positions, 32);
  EXPECT_EQ(traits.vocab_size, 24);
  EXPECT_EQ(traits.num_token_types, 2);
}

TEST(BertWeightNames, LoseThePrefixAndTheOldWordsForScaleAndShift) {
  const auto& rule = find_architecture("bert").weight_name;
  EXPECT_EQ(rule("embeddings.word_embeddings.weight"), "embeddings.word_embeddings.weight");
  EXPECT_EQ(rule("bert.encoder.layer.0.output.dense.bias"), "encoder.layer.0.output.dense.bias");
  EXPECT_EQ(rule("bert.embeddings.LayerNorm.gamma"), "embeddings.LayerNorm.weight");
  EXPECT_EQ(rule("encoder.layer.1.output.LayerNorm.beta"), "encoder.layer.1.output.LayerNorm.bias");
}

TEST(BertWeightNames, DropBuffersOnly) {
  const auto& rule = find_architecture("bert").weight_name;
  for (const char* name : {"embeddings.position_ids", "bert.embeddings.position_ids"}) {
    EXPECT_EQ(rule(name), std::nullopt) << name;
  }
  EXPECT_EQ(rule("surprise.weight"), "surprise.weight");  // left over, so the loader reports it
}

TEST(BertConfig, RefusesWhatItCannotCompute) {
  const auto load_with = [](const char* key, const nlohmann::json& value) {
    TinyModel tiny;
    tiny.config[key] = value;
    testing::ScalarBackend backend;
    return make(tiny, backend);
  };
  EXPECT_ERROR(kUnsupported, "'position_embedding_type' is 'relative_key'",
               load_with("position_embedding_type", "relative_key"));
  EXPECT_ERROR(kUnsupported, "'is_decoder' is true", load_with("is_decoder", true));
  EXPECT_ERROR(kUnsupported, "'add_cross_attention' is true", load_with("add_cross_attention", true));
  EXPECT_ERROR(kUnsupported, "'mish'", load_with("hidden_act", "mish"));
  EXPECT_ERROR(kCorruptModel, "'hidden_size' is 8, wanted a multiple of 'num_attention_heads', which is 3",
               load_with("num_attention_heads", 3));
}

TEST(BertConfig, RefusesSizesThatAreAbsurd) {
  for (const char* key : {"vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
                          "max_position_embeddings", "type_vocab_size"}) {
    for (const nlohmann::json& value : {nlohmann::json(0), nlohmann::json(-1), nlohmann::json(2'000'000'000),
                                        nlohmann::json("8"), nlohmann::json(1e30)}) {
      TinyModel tiny;
      tiny.config[key] = value;
      testing::ScalarBackend backend;
      EXPECT_ERROR(kCorruptModel, key, make(tiny, backend));
    }
  }
}

TEST(BertConfig, ExplicitDefaultsAreAccepted) {
  TinyModel tiny;
  tiny.config.update({{"position_embedding_type", "absolute"}, {"is_decoder", false}, {"add_cross_attention", false}});
  testing::ScalarBackend backend;
  EXPECT_NO_THROW((void)make(tiny, backend));
}

}  // namespace
}  // namespace mlxe
