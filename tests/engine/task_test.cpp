// What a folder is loaded for: declared by modules.json, by its architecture, or asked for; and its labels.
#include "engine/task.h"

#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Json = nlohmann::json;
using testing::load;
using testing::tiny_classifier;
using testing::tiny_masked_lm;
using testing::TinyModel;

ModelInfo info_of(const TinyModel& tiny, Task task = Task::kAuto) {
  LoadOptions options;
  options.task = task;
  return load(tiny, options).info;
}

TEST(TaskOfAFolder, IsEmbeddingForAnyArchitectureWithoutAHead) {
  EXPECT_EQ(info_of(TinyModel()).task, "embed");
  EXPECT_EQ(info_of(TinyModel()).task_source, "default");
  TinyModel tiny;
  tiny.config["architectures"] = {"BertModel"};
  EXPECT_EQ(info_of(tiny).task_source, "config.json (architectures)");
  EXPECT_EQ(info_of(tiny_masked_lm()).task, "embed");
}

TEST(TaskOfAFolder, IsWhatTheArchitectureNames) {
  const ModelInfo classifier = info_of(tiny_classifier({"calm", "rain", "storm"}, 3));
  EXPECT_EQ(classifier.task, "classify");
  EXPECT_EQ(classifier.task_source, "config.json (architectures)");
  EXPECT_THAT(classifier.labels, ElementsAre("calm", "rain", "storm"));
  EXPECT_EQ(classifier.score_function, "softmax");
  EXPECT_THAT(classifier.modules, ElementsAre("transformer", "sequence head of 3 labels"));
  EXPECT_EQ(classifier.pooling, "");
  EXPECT_THAT(classifier.warnings, IsEmpty());

  const ModelInfo reranker = info_of(tiny_classifier({"LABEL_0"}, 1));
  EXPECT_EQ(reranker.task, "rerank");
  EXPECT_EQ(reranker.score_function, "sigmoid");

  const ModelInfo tokens = info_of(testing::tiny_token_classifier({"O", "B-X", "I-X"}));
  EXPECT_EQ(tokens.task, "classify-tokens");
  EXPECT_THAT(tokens.labels, ElementsAre("O", "B-X", "I-X"));
}

TEST(TaskOfAFolder, IsWhatTheModulesAddUpTo) {
  TinyModel sparse = tiny_masked_lm();
  sparse.add_module("MLMTransformer", "");
  sparse.add_module("SpladePooling", "1_SpladePooling",
                    {{"pooling_strategy", "sum"}, {"activation_function", "log1p_relu"}, {"embedding_dimension", 24}});
  EXPECT_EQ(info_of(sparse).task, "sparse");
  EXPECT_EQ(info_of(sparse).task_source, "modules.json");
  EXPECT_THAT(info_of(sparse).modules, ElementsAre("transformer", "splade sum log1p_relu"));
  EXPECT_EQ(info_of(sparse).mask_token, "[MASK]");

  TinyModel cross = tiny_classifier({"LABEL_0"}, 1);
  cross.add_module("Transformer", "");
  cross.folder.write_json("sentence_bert_config.json", Json{{"transformer_task", "sequence-classification"}});
  EXPECT_EQ(info_of(cross).task, "rerank");
  EXPECT_EQ(info_of(cross).task_source, "modules.json");
}

TEST(TaskOfAFolder, IsRefusedIfModulesAndTransformerDisagree) {
  TinyModel tiny = tiny_masked_lm();
  tiny.add_module("Transformer", "");
  EXPECT_ERROR(kUnsupported, "no file says its 'transformer_task'", info_of(tiny));
  tiny.folder.write_json("sentence_bert_config.json", Json{{"transformer_task", "feature-extraction"}});
  EXPECT_ERROR(kUnsupported, "'transformer_task' is 'feature-extraction'", info_of(tiny));
  tiny.add_module("SpladePooling", "1_SpladePooling", Json::object());
  EXPECT_ERROR(kUnsupported, "wants 'fill-mask'", info_of(tiny));
}

TEST(TaskOfAFolder, CanBeAskedFor) {
  EXPECT_EQ(info_of(tiny_masked_lm(), Task::kFillMask).task, "fill-mask");
  EXPECT_EQ(info_of(tiny_masked_lm(), Task::kSparse).task_source, "option");
  const ModelInfo vectors = info_of(tiny_classifier({"a", "b"}, 2), Task::kEmbed);
  EXPECT_EQ(vectors.task, "embed");
  EXPECT_THAT(vectors.labels, IsEmpty());
  EXPECT_THAT(vectors.warnings, ElementsAre(HasSubstr("pooling is the mean by default")));
}

TEST(TaskOfAFolder, IsRefusedIfTheArchitectureHasNoHeadForIt) {
  EXPECT_ERROR(kUnsupported, "is BertForMaskedLM, the task 'rerank' wants one that ends with ForSequenceClassification",
               info_of(tiny_masked_lm(), Task::kRerank));
  EXPECT_ERROR(kUnsupported, "ends with ForTokenClassification",
               info_of(tiny_classifier({"a", "b"}, 2), Task::kClassifyTokens));
  EXPECT_ERROR(kCorruptModel, "cls.predictions.transform.dense.weight", info_of(TinyModel(), Task::kFillMask));
}

/// The words of a decoder's answers: yes 23, no 24.
Tokenizer answering_tokenizer(const TinyModel& tiny) {
  Json json = tiny.tokenizer;
  json["model"]["vocab"]["yes"] = 23;
  json["model"]["vocab"]["no"] = 24;
  tiny.folder.write_json("answers.json", json);
  return Tokenizer(tiny.folder.path() / "answers.json");
}

TEST(TaskOfADecoder, IsToEmbedIfItsModulesPool) {
  const TinyModel tiny;
  const JsonFields config(Json{{"architectures", {"Qwen3ForCausalLM"}}}, "config.json");
  PipelineSpec pipeline;
  EXPECT_THAT(decide_task(Task::kRerank, pipeline, {}, config, answering_tokenizer(tiny)).head.token_ids,
              ElementsAre(23, 24));
  pipeline.kind = PipelineKind::kPooled;
  EXPECT_ERROR(kUnsupported, "lists a Pooling, so the decoder gives vectors and answers no question; the command embed",
               decide_task(Task::kRerank, pipeline, {}, config, answering_tokenizer(tiny)));
}

TEST(TaskOfADecoder, KnowsOneQuestionAndItsAnswers) {
  const TinyModel tiny;
  const JsonFields config(Json::object(), "config.json");
  PipelineSpec pipeline;
  pipeline.kind = PipelineKind::kLogitScore;
  const auto ids = [&](int yes, std::optional<int> no) {
    pipeline.logit_score = LogitScoreSpec{.true_token_id = yes, .false_token_id = no};
    return decide_task(Task::kAuto, pipeline, {}, config, answering_tokenizer(tiny)).head.token_ids;
  };
  EXPECT_THAT(ids(23, 24), ElementsAre(23, 24));
  EXPECT_THAT(ids(23, std::nullopt), ElementsAre(23));
  EXPECT_ERROR(kUnsupported, "the LogitScore's 'true_token_id' is 20 ('one'), only 'yes'", ids(20, 24));
  EXPECT_ERROR(kUnsupported, "the LogitScore's 'false_token_id' is 900 ('no token'), only 'no'", ids(23, 900));
}

TEST(TaskOfAFolder, LeavesVectorsToItsOwnTask) {
  const std::vector<std::string_view> texts = {"a cat"};
  const TextEncoder encoder = testing::encoder(tiny_classifier({"a", "b"}, 2));
  EXPECT_ERROR(kUnsupported, "loaded for the task 'classify'", encoder.embed(texts, {}));
}

TEST(Labels, AreTwoIfTheFolderSaysNothing) {
  const ModelInfo info = info_of(tiny_classifier({}, 2));
  EXPECT_THAT(info.labels, ElementsAre("LABEL_0", "LABEL_1"));
  EXPECT_THAT(info.warnings, ElementsAre(HasSubstr("neither id2label nor num_labels")));
}

TEST(Labels, AreNumberedIfOnlyTheirCountIsKnown) {
  TinyModel tiny = tiny_classifier({}, 3);
  tiny.config["num_labels"] = 3;
  EXPECT_THAT(info_of(tiny).labels, ElementsAre("LABEL_0", "LABEL_1", "LABEL_2"));
}

TEST(Labels, MustFitTheClassifier) {
  EXPECT_ERROR(kCorruptModel, "classifier.weight", info_of(tiny_classifier({}, 3)));
  EXPECT_ERROR(kCorruptModel, "classifier.weight", info_of(tiny_classifier({"a", "b", "c"}, 2)));
}

TEST(Labels, MustNotContradictEachOther) {
  TinyModel tiny = tiny_classifier({"a", "b"}, 2);
  tiny.config["num_labels"] = 3;
  EXPECT_ERROR(kCorruptModel, "has 2 labels, 'num_labels' is 3", info_of(tiny));
  tiny.config.erase("num_labels");
  tiny.config["id2label"] = {{"0", "a"}, {"2", "b"}};
  EXPECT_ERROR(kCorruptModel, "there is none for 1", info_of(tiny));
  tiny.config["id2label"] = Json::object();
  EXPECT_ERROR(kCorruptModel, "wanted one label at least", info_of(tiny));
}

TEST(Scores, GoThroughWhatTheProblemWants) {
  TinyModel tiny = tiny_classifier({"a", "b"}, 2);
  tiny.config["problem_type"] = "multi_label_classification";
  EXPECT_EQ(info_of(tiny).score_function, "sigmoid");
  tiny.config["problem_type"] = "regression";
  EXPECT_EQ(info_of(tiny).score_function, "none");
  tiny.config["problem_type"] = "guessing";
  EXPECT_ERROR(kUnsupported, "'problem_type' is 'guessing'", info_of(tiny));
}

TEST(Scores, OfPairsGoThroughTheActivationThatTheFolderNames) {
  TinyModel tiny = tiny_classifier({"LABEL_0"}, 1);
  tiny.config["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity";
  EXPECT_EQ(info_of(tiny).score_function, "none");
  tiny.config["sentence_transformers"] = {{"activation_fn", "torch.nn.modules.activation.Sigmoid"}};
  EXPECT_EQ(info_of(tiny).score_function, "sigmoid");
  tiny.folder.write_json("config_sentence_transformers.json",
                         Json{{"activation_fn", "torch.nn.modules.linear.Identity"}});
  EXPECT_EQ(info_of(tiny).score_function, "none");
  tiny.folder.write_json("config_sentence_transformers.json", Json{{"activation_fn", "acme.Sigmoid"}});
  EXPECT_ERROR(kUnsupported, "'acme.Sigmoid'", info_of(tiny));
  EXPECT_EQ(info_of(tiny_classifier({"a", "b"}, 2), Task::kRerank).score_function, "none");
}

TEST(Splade, MustFitTheVocabulary) {
  TinyModel tiny = tiny_masked_lm();
  tiny.add_module("MLMTransformer", "");
  tiny.add_module("SpladePooling", "1_SpladePooling", {{"word_embedding_dimension", 25}});
  EXPECT_ERROR(kCorruptModel, "is for 25 words, the model has 24", info_of(tiny));
}

TEST(Splade, MustBeOfAKnownKind) {
  TinyModel tiny = tiny_masked_lm();
  tiny.add_module("MLMTransformer", "");
  tiny.add_module("SpladePooling", "1_SpladePooling", {{"pooling_strategy", "mean"}});
  EXPECT_ERROR(kUnsupported, "'pooling_strategy' is 'mean', wanted 'max' or 'sum'", info_of(tiny));
}

}  // namespace
}  // namespace mlxe
