// modules.json, N_Pooling and N_Dense: what they mean, and each way in which they can be wrong.
#include "engine/pipeline.h"

#include "support/expect_error.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;
using testing::TinyModel;

const Json kMeanPooling = {{"word_embedding_dimension", 8}, {"pooling_mode_mean_tokens", true}};

PipelineSpec read(const TinyModel& tiny, const std::optional<std::string>& pooling = std::nullopt) {
  return read_pipeline(tiny.write(), pooling);
}

// A transformer whose pooling has this configuration.
PipelineSpec read_pooling(const Json& config) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", config);
  return read(tiny);
}

PipelineSpec read_dense(const Json& config) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", kMeanPooling);
  tiny.add_module("Dense", "2_Dense", config);
  return read(tiny);
}

PipelineSpec read_modules(const std::vector<std::pair<std::string, std::string>>& kinds_and_paths) {
  TinyModel tiny;
  for (const auto& [kind, path] : kinds_and_paths) {
    tiny.add_module(kind, path);
  }
  tiny.folder.write_json("1_Pooling/config.json", kMeanPooling);
  return read(tiny);
}

TEST(Pipeline, OfAPlainTransformerIsTheMeanAndSaysWhatIsMissing) {
  const PipelineSpec pipeline = read(TinyModel());
  EXPECT_EQ(to_string(pipeline.pooling), "mean");
  EXPECT_EQ(pipeline.pooling_source, "default");
  EXPECT_FALSE(pipeline.normalize_declared);
  EXPECT_THAT(pipeline.pooling_gap, HasSubstr("no modules.json"));
}

TEST(Pipeline, SaysThatAListedPoolingIsGone) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling");
  tiny.add_module("Normalize", "2_Normalize");
  const PipelineSpec pipeline = read(tiny);
  EXPECT_EQ(pipeline.pooling_source, "default");
  EXPECT_EQ(pipeline.pooling_gap, "modules.json lists '1_Pooling', which is not there");
  EXPECT_TRUE(pipeline.normalize_declared);
}

TEST(Pipeline, ReadsAPoolingFolderEvenWithoutModules) {
  TinyModel tiny;
  tiny.folder.write_json("1_Pooling/config.json", Json{{"pooling_mode_cls_token", true}});
  const PipelineSpec pipeline = read(tiny);
  EXPECT_EQ(to_string(pipeline.pooling), "cls");
  EXPECT_EQ(pipeline.pooling_source, "1_Pooling/config.json");
  EXPECT_THAT(pipeline.warnings, IsEmpty());
}

TEST(Pipeline, FollowsModulesInTheirOrder) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", kMeanPooling);
  tiny.add_dense("2_Dense", 8, 4, 1);
  tiny.add_module("Normalize", "3_Normalize");
  const PipelineSpec pipeline = read(tiny);
  EXPECT_THAT(describe(pipeline), ElementsAre("transformer", "pooling mean", "dense 8->4 tanh", "normalize"));
  EXPECT_TRUE(pipeline.normalize_declared);
  EXPECT_EQ(pipeline.steps.size(), 1U);
  EXPECT_EQ(check_widths(pipeline, 8), 4);
}

TEST(Pipeline, KeepsANormalizeInTheMiddleAsAStep) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", kMeanPooling);
  tiny.add_module("Normalize", "2_Normalize");
  tiny.add_dense("3_Dense", 8, 4, 1);
  const PipelineSpec pipeline = read(tiny);
  EXPECT_EQ(pipeline.steps.size(), 2U);
  EXPECT_FALSE(pipeline.normalize_declared);
}

TEST(Pipeline, TakesTheLongerClassPathsOfNewerReleases) {
  TinyModel tiny;
  tiny.modules = {
      {{"path", ""}, {"type", "sentence_transformers.base.modules.transformer.Transformer"}},
      {{"path", "1_Pooling"}, {"type", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}}};
  tiny.folder.write_json("1_Pooling/config.json", kMeanPooling);
  EXPECT_EQ(to_string(read(tiny).pooling), "mean");
}

TEST(Pipeline, TakesATransformerInASubfolder) {
  const PipelineSpec pipeline = read_modules({{"Transformer", "0_Transformer"}, {"Pooling", "1_Pooling"}});
  EXPECT_EQ(pipeline.transformer_folder.filename(), "0_Transformer");
}

TEST(Pipeline, StaticEmbeddingsArePooledByTheMean) {
  const PipelineSpec pipeline = read_modules({{"StaticEmbedding", "0_StaticEmbedding"}, {"Normalize", "1_Normalize"}});
  EXPECT_TRUE(pipeline.is_static);
  EXPECT_EQ(pipeline.transformer_folder.filename(), "0_StaticEmbedding");
  EXPECT_THAT(describe(pipeline), ElementsAre("static embeddings", "pooling mean", "normalize"));
  EXPECT_THAT(pipeline.warnings, IsEmpty());
  EXPECT_FALSE(read_modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}}).is_static);
}

TEST(Pipeline, AFolderOfModel2VecAloneSaysItselfWhetherItNormalises) {
  TinyModel tiny;
  tiny.config = {{"model_type", "model2vec"}, {"normalize", true}};
  EXPECT_TRUE(read(tiny).is_static);
  EXPECT_TRUE(read(tiny).normalize_declared);
  tiny.config["normalize"] = false;
  EXPECT_FALSE(read(tiny).normalize_declared);
}

TEST(PipelinePooling, ReadsEveryLegacyKey) {
  for (const auto& [key, name] :
       std::vector<std::pair<std::string, std::string>>{{"pooling_mode_cls_token", "cls"},
                                                        {"pooling_mode_max_tokens", "max"},
                                                        {"pooling_mode_mean_tokens", "mean"},
                                                        {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"},
                                                        {"pooling_mode_weightedmean_tokens", "weightedmean"},
                                                        {"pooling_mode_lasttoken", "lasttoken"}}) {
    EXPECT_EQ(to_string(read_pooling({{key, true}}).pooling), name);
  }
}

TEST(PipelinePooling, ConcatenatesLegacyKeysInTheFixedOrder) {
  const PipelineSpec pipeline = read_pooling(
      {{"pooling_mode_lasttoken", true}, {"pooling_mode_mean_tokens", true}, {"pooling_mode_cls_token", true}});
  EXPECT_EQ(to_string(pipeline.pooling), "cls+mean+lasttoken");
}

TEST(PipelinePooling, IsTheMeanIfNoLegacyKeyIsTrue) {
  EXPECT_EQ(to_string(read_pooling({{"pooling_mode_cls_token", false}}).pooling), "mean");
}

TEST(PipelinePooling, ReadsTheNewKeyAsWordOrListInItsOwnOrder) {
  EXPECT_EQ(to_string(read_pooling({{"pooling_mode", "max"}}).pooling), "max");
  EXPECT_EQ(to_string(read_pooling({{"pooling_mode", {"mean", "cls"}}}).pooling), "mean+cls");
}

TEST(PipelinePooling, PrefersTheNewKey) {
  EXPECT_EQ(to_string(read_pooling({{"pooling_mode", "max"}, {"pooling_mode_cls_token", true}}).pooling), "max");
}

TEST(PipelinePooling, IncludesThePromptUnlessToldOtherwise) {
  EXPECT_TRUE(read_pooling({{"pooling_mode", "mean"}}).pooling.include_prompt);
  EXPECT_FALSE(read_pooling({{"pooling_mode", "mean"}, {"include_prompt", false}}).pooling.include_prompt);
}

TEST(PipelinePooling, NamesTheFileOfAnUnknownMode) {
  EXPECT_ERROR(kCorruptModel, "1_Pooling/config.json: unknown pooling mode 'attention'",
               read_pooling({{"pooling_mode", "attention"}}));
  EXPECT_ERROR(kCorruptModel, "unknown pooling mode '3'", read_pooling({{"pooling_mode", {"mean", 3}}}));
}

TEST(PipelinePooling, IsOverriddenByTheOption) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"pooling_mode", "mean"}, {"include_prompt", false}});
  const PipelineSpec pipeline = read(tiny, "cls+max");
  EXPECT_EQ(to_string(pipeline.pooling), "cls+max");
  EXPECT_EQ(pipeline.pooling_source, "option");
  EXPECT_FALSE(pipeline.pooling.include_prompt);
  EXPECT_THAT(read(TinyModel(), "cls").warnings, IsEmpty());
  EXPECT_ERROR(kInvalidInput, "unknown pooling mode 'avg'", read(tiny, "avg"));
}

TEST(PipelineWidths, MustFitThePooling) {
  const PipelineSpec pipeline = read_pooling({{"word_embedding_dimension", 12}, {"pooling_mode", "mean"}});
  EXPECT_ERROR(kCorruptModel, "for vectors of width 12, the transformer's hidden_size is 8", check_widths(pipeline, 8));
  EXPECT_ERROR(kCorruptModel, "width 12", check_widths(read_pooling({{"embedding_dimension", 12}}), 8));
}

TEST(PipelineWidths, GrowWithEveryPoolingMode) {
  EXPECT_EQ(check_widths(read_pooling({{"pooling_mode", {"cls", "mean", "max"}}}), 8), 24);
}

TEST(PipelineWidths, MustFitTheDenseLayer) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", kMeanPooling);
  tiny.add_dense("2_Dense", 8, 6, 1);
  tiny.add_dense("3_Dense", 5, 4, 1);
  EXPECT_ERROR(kCorruptModel, "'2_Dense' gives vectors of width 6, '3_Dense' wants in_features = 5",
               check_widths(read(tiny), 8));
}

TEST(PipelineWidths, BlameTheOptionIfItChoseThePooling) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", kMeanPooling);
  tiny.add_dense("2_Dense", 8, 4, 1);
  EXPECT_ERROR(kInvalidInput, "pooling 'cls+mean' (from option) gives vectors of width 16, '2_Dense' wants",
               check_widths(read(tiny, "cls+mean"), 8));
}

TEST(PipelineModules, MustStayInsideTheFolder) {
  for (const char* path : {"../elsewhere", "/etc", "1_Pooling/../../x", "..", "a\\..\\b", "C:x"}) {
    EXPECT_ERROR(kCorruptModel, "wanted a folder inside the model's own",
                 read_modules({{"Transformer", ""}, {"Pooling", path}}));
  }
}

TEST(PipelineModules, MustBeKnown) {
  EXPECT_ERROR(kUnsupported, "module 'sentence_transformers.models.LSTM' is not supported",
               read_modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"LSTM", "2_LSTM"}}));
  TinyModel tiny;
  tiny.modules = {{{"path", ""}, {"type", "acme.Transformer"}}};
  EXPECT_ERROR(kUnsupported, "module 'acme.Transformer' is not supported", read(tiny));
}

TEST(PipelineModules, MustAddUpToSomethingKnown) {
  EXPECT_ERROR(kUnsupported, "lists [Pooling]", read_modules({{"Pooling", "1_Pooling"}}));
  EXPECT_ERROR(kUnsupported, "lists [MLMTransformer, Pooling]",
               read_modules({{"MLMTransformer", ""}, {"Pooling", "1_Pooling"}}));
  EXPECT_ERROR(kUnsupported, "lists [Transformer, SpladePooling, Normalize]",
               read_modules({{"Transformer", ""}, {"SpladePooling", "1_Pooling"}, {"Normalize", "2"}}));
  EXPECT_ERROR(kUnsupported, "lists [Transformer, Dense, Pooling]",
               read_modules({{"Transformer", ""}, {"Dense", "1"}, {"Pooling", "1_Pooling"}}));
  EXPECT_ERROR(kUnsupported, "lists [Transformer, Pooling, Pooling]",
               read_modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Pooling", "2"}}));
}

TEST(PipelineModules, MustBeAListOfObjects) {
  TinyModel tiny;
  tiny.modules = {{"idx", 0}};
  EXPECT_ERROR(kCorruptModel, "is object, wanted a list of modules", read(tiny));
  tiny.modules = {1};
  EXPECT_ERROR(kCorruptModel, "modules.json entry 0", read(tiny));
}

TEST(PipelineDense, HasTheDefaultsOfSentenceTransformers) {
  const PipelineSpec pipeline = read_dense({{"in_features", 8}, {"out_features", 4}});
  const auto& dense = std::get<DenseSpec>(pipeline.steps.at(0));
  EXPECT_TRUE(dense.bias);
  EXPECT_EQ(dense.activation, Activation::kTanh);
}

TEST(PipelineDense, ReadsBiasAndActivation) {
  const PipelineSpec pipeline = read_dense({{"in_features", 8},
                                            {"out_features", 4},
                                            {"bias", false},
                                            {"activation_function", "torch.nn.modules.linear.Identity"}});
  const auto& dense = std::get<DenseSpec>(pipeline.steps.at(0));
  EXPECT_FALSE(dense.bias);
  EXPECT_EQ(dense.activation, Activation::kNone);
}

TEST(PipelineDense, RefusesWhatItCannotCompute) {
  const auto with = [](const char* key, const Json& value) {
    Json config = {{"in_features", 8}, {"out_features", 4}};
    config[key] = value;
    return read_dense(config);
  };
  EXPECT_ERROR(kUnsupported, "2_Dense/config.json: activation 'acme.Swish'", with("activation_function", "acme.Swish"));
  EXPECT_ERROR(kUnsupported, "'module_input_name' is 'token_embeddings'",
               with("module_input_name", "token_embeddings"));
  EXPECT_ERROR(kCorruptModel, "'in_features'", with("in_features", 0));
  EXPECT_ERROR(kCorruptModel, "'out_features'", with("out_features", "4"));
  EXPECT_ERROR(kCorruptModel, "2_Dense/config.json",
               read_modules({{"Transformer", ""}, {"Pooling", "1_Pooling"}, {"Dense", "2_Dense"}}));
}

}  // namespace
}  // namespace mlxe
