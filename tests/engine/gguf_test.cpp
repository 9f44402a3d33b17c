// GGUF files through the whole engine: the oracle's token ids and vectors for every architecture.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/files.h"
#include "base/json.h"
#include "base/scratch_folder.h"
#include "engine/loader.h"
#include "engine/make_backend.h"
#include "engine/text_encoder.h"
#include "mlxe/engine.h"
#include "support/expect_error.h"
#include "weights/integer_weight.h"
#include "weights/safetensors.h"

namespace mlxe {
namespace {

using mlxe::testing::ScratchFolder;

const std::filesystem::path kFolder = "tests/fixtures/gguf";
// As the conformance tests have it for float32 against float64.
constexpr float kTolerance = 5e-6F;

Json golden() {
  return load_json(kFolder / "golden.json");
}

LoadOptions options() {
  LoadOptions options;
  options.device = Device::kCpu;
  options.precision = Precision::kFp32;
  options.threads = 1;
  return options;
}

LoadedModel load(const std::filesystem::path& path, const LoadOptions& load_options = options()) {
  return load_model(path, load_options, make_backend(load_options));
}

std::filesystem::path file_of(const Json& model) {
  return kFolder / (model.at("name").get<std::string>() + ".gguf");
}

class Gguf : public ::testing::TestWithParam<Json> {};
INSTANTIATE_TEST_SUITE_P(Files, Gguf, ::testing::ValuesIn(golden().at("models").get<std::vector<Json>>()),
                         [](const auto& parameter) {
                           std::string name = parameter.param.at("name");
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(Gguf, GivesTheTokenizersIdsOutOfTheVocabularyAlone) {
  const std::vector<std::string> texts = golden().at("texts");
  const LoadedModel model = load(file_of(GetParam()));
  const std::vector<std::vector<std::int32_t>> wanted = GetParam().at("ids");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::vector<Encoding> encodings = model.tokenizer.encode(views);
  ASSERT_EQ(encodings.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(encodings[i].ids, wanted[i]) << texts[i];
  }
  if (GetParam().contains("pair_ids")) {
    const std::vector<std::string> pair = golden().at("pair");
    const std::vector<std::pair<std::string_view, std::string_view>> pairs = {{pair.at(0), pair.at(1)}};
    EXPECT_EQ(model.tokenizer.encode_pairs(pairs).at(0).ids,
              GetParam().at("pair_ids").get<std::vector<std::int32_t>>());
  }
}

TEST_P(Gguf, GivesTheVectorsOfItsNumbersPackedOrExpanded) {
  const std::vector<std::string> texts = golden().at("texts");
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const auto expected = read_safetensors(kFolder / "expected.safetensors");
  const std::vector<float> wanted = floats_of(expected.at(GetParam().at("name")).tensor);
  for (const bool expand_quantized : {false, true}) {
    LoadOptions load_options = options();
    load_options.expand_quantized = expand_quantized;
    LoadedModel model = load(file_of(GetParam()), load_options);
    EXPECT_EQ(model.info.pooling, GetParam().at("pooling"));
    EXPECT_EQ(model.info.pooling_source, "GGUF metadata (pooling_type)");
    EmbedOptions embed_options;
    embed_options.max_length = GetParam().at("max_length").get<int>();
    const Embeddings embeddings = TextEncoder(std::move(model)).embed(views, embed_options);
    std::size_t at = 0;
    for (std::size_t row = 0; row < views.size(); ++row) {
      for (const float value : embeddings.row(row)) {
        ASSERT_NEAR(value, wanted.at(at++), kTolerance) << texts[row];
      }
    }
    EXPECT_EQ(at, wanted.size());
  }
}

TEST(GgufFiles, SayWhatTheyExpand) {
  const ModelInfo info = load(kFolder / "bert.gguf").info;
  EXPECT_EQ(info.model_type, "bert");
  EXPECT_EQ(info.mask_token, "[MASK]");
  EXPECT_THAT(info.warnings, ::testing::Contains(::testing::HasSubstr("of the form Q6_K are expanded to float32")));
  EXPECT_THAT(info.warnings, ::testing::Not(::testing::Contains(::testing::HasSubstr("Q4_0"))));
}

TEST(GgufFiles, OfEmbeddingGemmaSayThatDenseModulesAreMissing) {
  EXPECT_THAT(load(kFolder / "gemma-embedding.gguf").info.warnings,
              ::testing::Contains(::testing::HasSubstr("holds no Dense modules")));
}

/// A folder with one such file is a model, and what lies beside the file goes before its metadata.
TEST(GgufFiles, InAFolderAreReadWithTheFilesBesideThem) {
  const ScratchFolder folder;
  folder.write("model-q8.gguf", read_file(kFolder / "bert.gguf", 1U << 20U));
  EXPECT_EQ(Engine::load(folder.path().string(), options()).info().pooling, "cls");
  folder.write("1_Pooling/config.json", R"({"pooling_mode": "mean"})");
  folder.write("tokenizer.json", read_file("tests/fixtures/bert-mean/tokenizer.json", 1U << 20U));
  EXPECT_ERROR(kCorruptModel, "tokenizer.json has token ids up to 499, the model's word embeddings have 300 rows",
               Engine::load(folder.path().string(), options()));
  std::filesystem::remove(folder.path() / "tokenizer.json");
  EXPECT_EQ(Engine::load(folder.path().string(), options()).info().pooling, "mean");
}

TEST(GgufFiles, WithoutATokenizerAskForOne) {
  const ScratchFolder folder;
  std::string bytes = read_file(kFolder / "qwen2.gguf", 1U << 20U);
  const std::size_t pre = bytes.find("qwen2", bytes.find("tokenizer.ggml.pre"));
  ASSERT_NE(pre, std::string::npos);
  bytes.replace(pre, 5, "dunno");
  folder.write("m.gguf", bytes);
  EXPECT_ERROR(kUnsupported, "'dunno' splits words is not known here; put the model's tokenizer.json beside the file",
               load(folder.path() / "m.gguf"));
}

}  // namespace
}  // namespace mlxe
