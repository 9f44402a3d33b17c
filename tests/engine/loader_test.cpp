// Loading a folder: what ModelInfo tells, and each way in which a folder can contradict itself.
#include "engine/loader.h"

#include "engine/tiny_encoder.h"
#include "support/expect_error.h"
#include "support/tiny_decoder.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::load;
using testing::TinyModel;

TinyModel with_dense() {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"word_embedding_dimension", 8}, {"pooling_mode_cls_token", true}});
  tiny.add_dense("2_Dense", 8, 4, 50);
  tiny.add_module("Normalize", "3_Normalize");
  return tiny;
}

TEST(Loader, TellsWhatItLoadedAndWhereEachChoiceCameFrom) {
  const TinyModel tiny = with_dense();
  tiny.folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 16}});
  tiny.folder.write_json("config_sentence_transformers.json",
                         Json{{"prompts", {{"query", "query : "}, {"passage", ""}}}, {"default_prompt_name", "query"}});
  const ModelInfo info = load(tiny, {}, 3).info;

  EXPECT_EQ(info.path, tiny.folder.path());
  EXPECT_EQ(info.model_type, "bert");
  EXPECT_EQ(info.vocab_size, 24);
  EXPECT_EQ(info.num_token_types, 2);
  EXPECT_EQ(info.hidden_size, 8);
  EXPECT_EQ(info.num_layers, 2);
  EXPECT_EQ(info.embedding_dim, 4);
  // 24 * 8 + 32 * 8 + 2 * 8 embeddings, 5 norms of 16, 2 layers of 4 * (64 + 8) + (128 + 16) + (128 + 8), dense 32 + 4.
  EXPECT_EQ(info.num_parameters, 464U + 80U + 2U * 568U + 36U);
  EXPECT_EQ(info.checkpoint_dtype, "float32");
  EXPECT_EQ(info.float_dtype, "float32");
  EXPECT_EQ(info.pooling, "cls");
  EXPECT_EQ(info.pooling_source, "1_Pooling/config.json");
  EXPECT_TRUE(info.normalize_declared);
  EXPECT_THAT(info.modules, ElementsAre("transformer", "pooling cls", "dense 8->4 tanh", "normalize"));
  EXPECT_EQ(info.max_length, 16);
  EXPECT_EQ(info.max_length_source, "sentence_bert_config.json");
  EXPECT_EQ(info.max_positions, 32);
  EXPECT_THAT(info.prompt_names, ElementsAre("passage", "query"));
  EXPECT_EQ(info.default_prompt_name, "query");
  EXPECT_EQ(info.device, "scalar");
  EXPECT_EQ(info.precision, "fp32");
  EXPECT_EQ(info.precision_reason, "the only one");
  EXPECT_EQ(info.threads, 3);
  EXPECT_TRUE(info.warnings.empty());
}

TEST(Loader, LimitsTheLengthToTheModelsPositions) {
  const TinyModel tiny;
  tiny.folder.write_json("tokenizer_config.json", Json{{"model_max_length", 512}});
  const ModelInfo info = load(tiny).info;
  EXPECT_EQ(info.max_length, 32);
  EXPECT_EQ(info.max_length_source, "config.json (the model's positions)");
}

TEST(Loader, WarnsOfAGuessedPooling) {
  const ModelInfo info = load(TinyModel()).info;
  EXPECT_EQ(info.pooling, "mean");
  EXPECT_EQ(info.pooling_source, "default");
  EXPECT_THAT(info.warnings, ElementsAre(HasSubstr("no modules.json")));
}

TEST(Loader, FillsGapsWithWhatIsKnownOfTheFamily) {
  TinyModel tiny;
  tiny.config["_name_or_path"] = "BAAI/bge-small-en-v1.5";
  const ModelInfo info = load(tiny).info;
  EXPECT_EQ(info.pooling, "cls");
  EXPECT_EQ(info.pooling_source, "known family BGE English");
  EXPECT_THAT(info.warnings,
              ElementsAre(HasSubstr("no 1_Pooling: pooling is cls, as the models of the family BGE English")));
  EXPECT_THAT(info.prompt_names, ElementsAre("document", "query"));
  EXPECT_EQ(info.prompt_source, "known family BGE English");
  EXPECT_EQ(info.default_prompt_name, "");
}

TEST(Loader, TakesThePoolingOfTheTwoWayLlamasConfiguration) {
  const auto with = [](const char* pooling) {
    testing::TinyDecoder decoder("llama_bidirec");
    decoder.add("embed_tokens", {24, 8});
    TinyModel tiny;
    tiny.tensors = decoder.tensors;
    tiny.config = decoder.config;
    tiny.config.update({{"vocab_size", 24}, {"pooling", pooling}});
    return load(tiny).info;
  };
  for (const auto& [word, mode] : {std::pair{"avg", "mean"}, {"cls", "cls"}, {"last", "lasttoken"}}) {
    const ModelInfo info = with(word);
    EXPECT_EQ(info.pooling, mode);
    EXPECT_EQ(info.pooling_source, "config.json (pooling)");
    EXPECT_THAT(info.warnings, ::testing::IsEmpty());
  }
  EXPECT_ERROR(kUnsupported, "'pooling' is 'weighted_avg', wanted avg, cls or last", with("weighted_avg"));
}

TEST(Loader, PrefersWhatTheFolderSaysToTheFamily) {
  TinyModel tiny;
  tiny.config["_name_or_path"] = "BAAI/bge-small-en-v1.5";
  tiny.folder.write_json("1_Pooling/config.json", Json{{"pooling_mode_max_tokens", true}});
  tiny.folder.write_json("config_sentence_transformers.json", Json{{"prompts", {{"passage", "text : "}}}});
  const ModelInfo info = load(tiny).info;
  EXPECT_EQ(info.pooling, "max");
  EXPECT_TRUE(info.warnings.empty());
  EXPECT_THAT(info.prompt_names, ElementsAre("passage"));
  EXPECT_EQ(info.prompt_source, "config_sentence_transformers.json");
}

TEST(Loader, AddsTheResidualOfADenseModule) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", Json{{"pooling_mode_mean_tokens", true}});
  tiny.add_module("Dense", "2_Dense",
                  Json{{"in_features", 8},
                       {"out_features", 2},
                       {"bias", false},
                       {"activation_function", "torch.nn.modules.linear.Identity"},
                       {"use_residual", true}});
  testing::FloatTensor nothing{.shape = {2, 8}, .values = std::vector<float>(16, 0.0F)};
  testing::FloatTensor first = nothing;
  first.values[0] = 3;  // 3 x_0, 0
  tiny.folder.write("2_Dense/model.safetensors",
                    testing::to_safetensors({{"linear.weight", nothing}, {"residual.weight", first}}));
  const std::vector<float> vector = testing::row(testing::encoder(tiny).embed(testing::Texts{"cat"}, {}), 0);
  EXPECT_NEAR(std::abs(vector[0]), 1.0F, 1e-6F);
  EXPECT_EQ(vector[1], 0.0F);
}

TEST(Loader, GivesFewerDimensionsIfTheCheckpointKeepsFewer) {
  const TinyModel tiny;
  tiny.folder.write_json("config_sentence_transformers.json", Json{{"truncate_dim", 3}});
  EXPECT_EQ(load(tiny).info.embedding_dim, 3);
}

TEST(Loader, ListsTheTrainedDimensionsThatAreNumbersOfDimensions) {
  TinyModel tiny;
  tiny.config["matryoshka_dims"] = Json::array({4, 0, -2, (std::int64_t{1} << 32U) + 2, "8", 8});
  EXPECT_THAT(load(tiny).info.matryoshka_dims, ElementsAre(4, 8));
}

TEST(Loader, TakesPrefixedNamesAndLeavesOutThePooler) {
  TinyModel tiny;
  std::map<std::string, testing::FloatTensor> renamed;
  for (auto& [name, tensor] : tiny.tensors) {
    renamed["bert." + name] = tensor;
  }
  renamed["bert.pooler.dense.weight"] = testing::random_tensor({8, 8}, 99);
  renamed["cls.predictions.bias"] = testing::random_tensor({24}, 98);
  tiny.tensors = renamed;
  EXPECT_EQ(load(tiny).info.num_parameters, load(TinyModel()).info.num_parameters);
}

TEST(LoaderErrors, NameTheMissingFile) {
  TinyModel tiny;
  (void)tiny.write();
  const auto load_without = [&](const char* file) {
    (void)tiny.write();
    std::filesystem::remove(tiny.folder.path() / file);
    return load_model(tiny.folder.path(), {}, std::make_unique<testing::ScalarBackend>());
  };
  EXPECT_ERROR(kCorruptModel, "config.json", load_without("config.json"));
  EXPECT_ERROR(kCorruptModel, "no tokenizer.json in", load_without("tokenizer.json"));
  EXPECT_ERROR(kCorruptModel, "model.safetensors", load_without("model.safetensors"));
}

TEST(LoaderErrors, NameTheUnknownModelTypeAndTheNearest) {
  TinyModel tiny;
  tiny.config["model_type"] = "berd";
  EXPECT_ERROR(kUnsupported, "model_type 'berd' is not supported (did you mean 'bert'?)", load(tiny));
  tiny.config.erase("model_type");
  EXPECT_ERROR(kCorruptModel, "'model_type'", load(tiny));
}

TEST(LoaderErrors, ListEveryWrongWeightAtOnce) {
  TinyModel tiny;
  tiny.tensors.erase("encoder.layer.1.output.dense.bias");
  tiny.tensors["embeddings.LayerNorm.weight"] = testing::random_tensor({9}, 1);
  tiny.tensors["encoder.layer.2.output.dense.bias"] = testing::random_tensor({8}, 1);
  const std::string message = testing::message_of_error(ErrorCode::kCorruptModel, [&] { (void)load(tiny); });
  EXPECT_THAT(message, HasSubstr("encoder.layer.1.output.dense.bias"));
  EXPECT_THAT(message, HasSubstr("[9]"));
  EXPECT_THAT(message, HasSubstr("encoder.layer.2.output.dense.bias"));
}

TEST(LoaderErrors, RefuseTokenIdsBeyondTheEmbeddings) {
  TinyModel tiny;
  tiny.tokenizer["model"]["vocab"]["far-out"] = 24;
  EXPECT_ERROR(kCorruptModel, "token ids up to 24, the model's word embeddings have 24 rows", load(tiny));
}

TEST(LoaderErrors, RefuseALimitThatLeavesNoRoomForText) {
  const TinyModel tiny;
  tiny.folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 2}});
  EXPECT_ERROR(kCorruptModel, "sentence_bert_config.json allows 2 tokens, wanted more than the 2 special tokens",
               load(tiny));
}

TEST(LoaderErrors, NameTheDenseLayerWithoutWeights) {
  const TinyModel tiny = with_dense();
  std::filesystem::remove(tiny.folder.path() / "2_Dense" / "model.safetensors");
  EXPECT_ERROR(kCorruptModel, "2_Dense", load(tiny));
  tiny.folder.write("2_Dense/pytorch_model.bin", "PK");
  EXPECT_ERROR(kUnsupported, "2_Dense", load(tiny));
}

TEST(LoaderErrors, NameTheDenseWeightOfAnotherShape) {
  const TinyModel tiny = with_dense();
  tiny.folder.write("2_Dense/model.safetensors",
                    testing::to_safetensors({{"linear.weight", testing::random_tensor({8, 4}, 1)},
                                             {"linear.bias", testing::random_tensor({4}, 2)}}));
  const std::string message = testing::message_of_error(ErrorCode::kCorruptModel, [&] { (void)load(tiny); });
  EXPECT_THAT(message, HasSubstr("linear.weight"));
  EXPECT_THAT(message, HasSubstr("[4, 8]"));
}

TEST(LoaderErrors, NameTheWidthsThatDoNotFit) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"word_embedding_dimension", 384}, {"pooling_mode_mean_tokens", true}});
  EXPECT_ERROR(kCorruptModel, "width 384", load(tiny));
}

}  // namespace
}  // namespace mlxe
