// What is filled in of a folder's gaps, and what is left alone.
#include "engine/family_defaults.h"

#include <gmock/gmock.h>

#include "nn/pooling.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

/// A pipeline whose pooling nobody decided.
PipelineSpec open_pipeline() {
  PipelineSpec pipeline;
  pipeline.pooling = parse_pooling("mean");
  pipeline.pooling_source = "default";
  pipeline.pooling_gap = "no file";
  return pipeline;
}

JsonFields config(const char* model_type, const char* name = "") {
  return {Json{{"model_type", model_type}, {"_name_or_path", name}}, "config.json"};
}

TEST(FamilyDefaults, TakeTheNameOfTheFolderFirst) {
  PipelineSpec pipeline = open_pipeline();
  TextSettings settings;
  apply_family("/models/e5-small-v2", config("bert", "BAAI/bge-small-en-v1.5"), pipeline, settings);
  EXPECT_EQ(to_string(pipeline.pooling), "mean");
  EXPECT_EQ(pipeline.pooling_source, "known family E5");
  EXPECT_THAT(settings.prompts, ElementsAre(Pair("document", "passage: "), Pair("query", "query: ")));
  EXPECT_EQ(settings.prompt_source, "known family E5");
}

TEST(FamilyDefaults, TakeTheArchitecturesPoolingWithoutAFamily) {
  PipelineSpec pipeline = open_pipeline();
  TextSettings settings;
  apply_family("/models/mine", config("qwen3"), pipeline, settings);
  EXPECT_EQ(to_string(pipeline.pooling), "lasttoken");
  EXPECT_EQ(pipeline.pooling_source, "model_type qwen3");
  EXPECT_THAT(pipeline.warnings,
              ElementsAre(HasSubstr("no file: pooling is lasttoken, as published models of the architecture qwen3")));
  EXPECT_THAT(settings.prompts, IsEmpty());
}

TEST(FamilyDefaults, KeepTheMeanOfAnUnknownModel) {
  PipelineSpec pipeline = open_pipeline();
  TextSettings settings;
  apply_family("/models/mine", config("bert"), pipeline, settings);
  EXPECT_EQ(to_string(pipeline.pooling), "mean");
  EXPECT_EQ(pipeline.pooling_source, "default");
  EXPECT_THAT(pipeline.warnings, ElementsAre(HasSubstr("no file: pooling is the mean by default")));
}

TEST(FamilyDefaults, LeaveWhatTheFolderDeclares) {
  PipelineSpec pipeline = open_pipeline();
  pipeline.pooling_source = "1_Pooling/config.json";
  TextSettings settings;
  settings.prompts = {{"query", "mine: "}};
  settings.prompt_source = "config_sentence_transformers.json";
  apply_family("/models/bge-small-en-v1.5", config("bert"), pipeline, settings);
  EXPECT_EQ(to_string(pipeline.pooling), "mean");
  EXPECT_THAT(pipeline.warnings, IsEmpty());
  EXPECT_THAT(settings.prompts, ElementsAre(Pair("query", "mine: ")));
  EXPECT_EQ(settings.prompt_source, "config_sentence_transformers.json");
}

}  // namespace
}  // namespace mlxe
