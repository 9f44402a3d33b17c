// The question that a decoder is asked, and which chat templates come to it.
#include "engine/yes_no_prompt.h"

#include <array>

#include "mlxe/engine.h"
#include "support/expect_error.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;
using testing::TinyModel;

/// Every special word of the prompt is one token, and every other word is [UNK].
Tokenizer tokenizer_with(const std::vector<std::string>& words) {
  const TinyModel tiny;
  nlohmann::json json = tiny.tokenizer;
  int id = 23;
  for (const std::string& word : words) {
    json["added_tokens"].push_back({{"id", id++},
                                    {"content", word},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  }
  tiny.folder.write_json("tokenizer.json", json);
  return Tokenizer(tiny.folder.path() / "tokenizer.json");
}

constexpr const char* kTemplate =
    R"({{- '<|im_start|>system\nJudge whether the Document meets the requirements based on )"
    R"(the Query and the Instruct provided. Note that the answer can only be \"yes\" or )"
    R"(\"no\".<|im_end|>\n<|im_start|>user\n<Instruct>: ' + instruct }}
<Query>: {{ query }}
<Document>: {{ document }}<|im_end|>
<|im_start|>assistant
<think>

</think>

)";

TEST(YesNoPrompt, HasItsEndsAsTokens) {
  const YesNoPrompt prompt = make_yes_no_prompt(tokenizer_with({"<|im_start|>", "<|im_end|>", "<think>", "</think>"}));
  EXPECT_EQ(prompt.prefix_ids.front(), 23);
  EXPECT_EQ(prompt.prefix_ids[prompt.prefix_ids.size() - 2], 23);
  EXPECT_THAT(prompt.prefix_ids, SizeIs(1 + 26 + 2 + 1));  // system and the 25 words of the task, all unknown; user
  EXPECT_THAT(prompt.suffix_ids, ElementsAre(24, 23, 1, 25, 26));
  EXPECT_EQ(prompt.num_tokens(), 35);
  EXPECT_EQ(prompt.instruction, kDefaultInstruction);
}

TEST(YesNoPrompt, WantsAVocabularyThatWasMadeForIt) {
  EXPECT_ERROR(kUnsupported, "the vocabulary has no token '<think>'",
               make_yes_no_prompt(tokenizer_with({"<|im_start|>", "<|im_end|>"})));
}

TEST(YesNoPrompt, PutsInstructionQueryAndDocumentOnALineEach) {
  EXPECT_EQ(yes_no_content("find it", "who", ""), "<Instruct>: find it\n<Query>: who\n<Document>: ");
}

TEST(YesNoTemplate, IsTheOneThatComesToThePrompt) {
  EXPECT_NO_THROW(check_yes_no_template(kTemplate));
  EXPECT_ERROR(kUnsupported, "has no chat template", check_yes_no_template(std::nullopt));
  std::string other = kTemplate;
  other.replace(other.find("yes"), 3, "1");
  EXPECT_ERROR(kUnsupported, "chat template lacks 'Judge whether", check_yes_no_template(other));
  other = kTemplate;
  other.erase(other.find("<think>"));
  EXPECT_ERROR(kUnsupported, "chat template lacks '<think>", check_yes_no_template(other));
}

// As sentence-transformers writes a reranker of this kind.
TEST(YesNoPrompt, OfALogitScoreMustBeItsFoldersOwn) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path source = "tests/fixtures/qwen3-rerank";
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(source / file, folder.path() / file);
  }
  const Tokenizer tokenizer(source / "tokenizer.json");
  folder.write_json(
      "modules.json",
      {{{"path", ""}, {"type", "sentence_transformers.base.modules.transformer.Transformer"}},
       {{"path", "1_LogitScore"}, {"type", "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"}}});
  folder.write_json("1_LogitScore/config.json", {{"true_token_id", tokenizer.token_to_id("yes").value()},
                                                 {"false_token_id", tokenizer.token_to_id("no").value()}});
  folder.write_json("sentence_bert_config.json", {{"transformer_task", "text-generation"}});
  const auto load = [&] { return Engine::load(folder.path().string(), {.precision = Precision::kFp32}); };
  EXPECT_ERROR(kUnsupported, "has no chat template", load());
  folder.write("chat_template.jinja", "{{ query }}");
  EXPECT_ERROR(kUnsupported, "chat template lacks 'Judge whether", load());
  folder.write("chat_template.jinja", kTemplate);
  folder.write_json("config_sentence_transformers.json",
                    {{"prompts", {{"bread", "Find the text about bread"}}}, {"default_prompt_name", "bread"}});
  const Engine plain = Engine::load(source.string(), {.task = Task::kRerank, .precision = Precision::kFp32});
  const std::array pairs = {TextPair("why does bread rise?", "a ship that is late is not yet lost")};
  RerankOptions options;
  options.instruction = "Find the text about bread";
  EXPECT_EQ(load().score_pairs(pairs).values, plain.score_pairs(pairs, options).values);
  EXPECT_NE(load().score_pairs(pairs).values, plain.score_pairs(pairs).values);
}

}  // namespace
}  // namespace mlxe
