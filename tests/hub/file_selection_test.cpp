// Which files of a list are taken.
#include "hub/file_selection.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;

std::vector<RemoteFile> list(const std::vector<std::string>& names) {
  std::vector<RemoteFile> files;
  for (const std::string& name : names) {
    files.push_back({.name = name});
  }
  return files;
}

std::vector<std::string> rest(const std::vector<std::string>& names,
                              const std::map<std::string, std::string>& contents) {
  return select_rest(list(names), [&](const std::string& name) { return contents.at(name); }, "'org/name'");
}

TEST(FileSelection, SmallFilesOfTheTopComeFirst) {
  EXPECT_THAT(select_first(list({"config.json", "tokenizer.json", "model.py", "a/config.json", "README.md",
                                 "additional_chat_templates/x.jinja", "model.safetensors"})),
              ElementsAre("config.json", "tokenizer.json", "additional_chat_templates/x.jinja"));
}

TEST(FileSelection, IndexIsWantedOnlyWithoutTheSingleFile) {
  EXPECT_THAT(select_first(list({"model.safetensors.index.json"})), ElementsAre("model.safetensors.index.json"));
  EXPECT_THAT(select_first(list({"model.safetensors.index.json", "model.safetensors"})), ElementsAre());
}

TEST(FileSelection, ShardsOfTheIndex) {
  EXPECT_THAT(
      rest({"model.safetensors.index.json", "b.safetensors", "a.safetensors", "c.safetensors"},
           {{"model.safetensors.index.json", R"({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}})"}}),
      ElementsAre("a.safetensors", "b.safetensors"));
}

TEST(FileSelection, MissingShardsAreListed) {
  EXPECT_ERROR(
      kCorruptModel, "2 shards that are not in the repository: a.safetensors, b.safetensors",
      rest({"model.safetensors.index.json"},
           {{"model.safetensors.index.json", R"({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}})"}}));
}

TEST(FileSelection, FoldersOfModules) {
  EXPECT_THAT(rest({"modules.json", "0_Transformer/model.safetensors", "0_Transformer/config.json",
                    "0_Transformer/pytorch_model.bin", "1_Dense/model.safetensors", "2_Other/config.json"},
                   {{"modules.json", R"([{"path": "0_Transformer"}, {"path": "1_Dense/"}])"}}),
              ElementsAre("0_Transformer/config.json", "0_Transformer/model.safetensors", "1_Dense/model.safetensors"));
}

TEST(FileSelection, AdapterAlone) {
  EXPECT_THAT(rest({"adapter_config.json", "adapter_model.safetensors"}, {}), ElementsAre("adapter_model.safetensors"));
}

TEST(FileSelection, OnlyPickledWeightsAreAnError) {
  EXPECT_ERROR(kUnsupported, "'org/name' has weights only as pytorch_model.bin", rest({"pytorch_model.bin"}, {}));
  EXPECT_ERROR(kUnsupported, "'org/name' has no weights", rest({"config.json"}, {}));
}

TEST(FileSelection, GgufIsTakenWithoutOtherWeightsOrIfItIsNamed) {
  const auto named = [](const std::vector<std::string>& names, const std::optional<std::string>& gguf) {
    return select_rest(list(names), [](const std::string&) { return "[]"; }, "'org/name'", gguf);
  };
  EXPECT_THAT(named({"m-Q4_0.gguf", "m-Q8_0.gguf", "sub/m-F32.gguf"}, std::nullopt), ElementsAre("m-Q8_0.gguf"));
  EXPECT_THAT(named({"m-Q4_0.gguf", "model.safetensors"}, std::nullopt), ElementsAre("model.safetensors"));
  EXPECT_THAT(named({"m-Q4_0.gguf", "model.safetensors", "adapter_model.safetensors"}, "Q4_0"),
              ElementsAre("m-Q4_0.gguf"));
}

}  // namespace
}  // namespace mlxe
