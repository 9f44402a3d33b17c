// Limits, casing and prompts from the JSON files beside a checkpoint.
#include "engine/text_settings.h"

#include <limits>

#include "support/expect_error.h"
#include "support/tiny_model.h"

namespace mlxe {
namespace {

using Json = nlohmann::json;
using testing::TemporaryFolder;

TextSettings read(const TemporaryFolder& folder) {
  return read_text_settings(folder.path(), folder.path());
}

TextSettings read_prompts(const Json& config) {
  const TemporaryFolder folder;
  folder.write_json("config_sentence_transformers.json", config);
  return read(folder);
}

TEST(TextSettings, AreOpenWithoutFiles) {
  const TextSettings settings = read(TemporaryFolder());
  EXPECT_EQ(settings.max_length, std::numeric_limits<int>::max());
  EXPECT_FALSE(settings.lower_case);
  EXPECT_TRUE(settings.prompts.empty());
}

TEST(TextSettings, TakeTheSmallestLimitAndNameItsFile) {
  const TemporaryFolder folder;
  folder.write_json("tokenizer_config.json", Json{{"model_max_length", 512}});
  folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 256}});
  EXPECT_EQ(read(folder).max_length, 256);
  EXPECT_EQ(read(folder).max_length_source, "sentence_bert_config.json");

  folder.write_json("tokenizer_config.json", Json{{"model_max_length", 128}});
  EXPECT_EQ(read(folder).max_length, 128);
  EXPECT_EQ(read(folder).max_length_source, "tokenizer_config.json");
}

TEST(TextSettings, TakeNullAndHugeLimitsForNone) {
  for (const Json& none : {Json(nullptr), Json(1e30), Json::parse("1000000000000000019884624838656")}) {
    const TemporaryFolder folder;
    folder.write_json("tokenizer_config.json", Json{{"model_max_length", none}});
    folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", nullptr}});
    EXPECT_EQ(read(folder).max_length, std::numeric_limits<int>::max()) << none;
  }
}

TEST(TextSettings, RefuseALimitBelowOne) {
  const TemporaryFolder folder;
  folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 0}});
  EXPECT_ERROR(kCorruptModel, "'max_seq_length'", read(folder));
}

TEST(TextSettings, ReadTheOlderNamesOfTheTransformerConfig) {
  const TemporaryFolder folder;
  folder.write_json("sentence_roberta_config.json", Json{{"max_seq_length", 100}, {"do_lower_case", true}});
  EXPECT_EQ(read(folder).max_length, 100);
  EXPECT_TRUE(read(folder).lower_case);
}

TEST(TextSettings, ReadTheTaskOfTheTransformer) {
  const TemporaryFolder folder;
  folder.write_json("sentence_bert_config.json", Json{{"transformer_task", "fill-mask"}});
  EXPECT_EQ(read(folder).transformer_task, "fill-mask");
}

TEST(TextSettings, GiveNoTokenTypesIfTheTokenizerListsItsOutputsWithoutThem) {
  const TemporaryFolder folder;
  EXPECT_TRUE(read(folder).token_types);
  folder.write_json("tokenizer_config.json", Json{{"model_input_names", {"input_ids", "attention_mask"}}});
  EXPECT_FALSE(read(folder).token_types);
  folder.write_json("tokenizer_config.json", Json{{"model_input_names", {"input_ids", "token_type_ids"}}});
  EXPECT_TRUE(read(folder).token_types);
}

TEST(TextSettings, ReadTheMaskTokenInEitherForm) {
  const TemporaryFolder folder;
  EXPECT_EQ(read(folder).mask_token, "");
  folder.write_json("special_tokens_map.json", Json{{"mask_token", "<m>"}});
  EXPECT_EQ(read(folder).mask_token, "<m>");
  folder.write_json("tokenizer_config.json", Json{{"mask_token", {{"content", "<mask>"}, {"lstrip", true}}}});
  EXPECT_EQ(read(folder).mask_token, "<mask>");
}

TEST(TextSettings, ReadTheChatTemplateWhereverItIs) {
  const TemporaryFolder folder;
  EXPECT_EQ(read(folder).chat_template, std::nullopt);
  folder.write_json(
      "tokenizer_config.json",
      Json{{"chat_template", {{{"name", "tools"}, {"template", "t"}}, {{"name", "default"}, {"template", "d"}}}}});
  EXPECT_EQ(read(folder).chat_template, "d");
  folder.write_json("tokenizer_config.json", Json{{"chat_template", "one"}});
  EXPECT_EQ(read(folder).chat_template, "one");
  folder.write("chat_template.jinja", "file");
  EXPECT_EQ(read(folder).chat_template, "file");
}

TEST(TextSettings, ReadTheNumberOfDimensionsToKeep) {
  EXPECT_EQ(read_prompts({{"truncate_dim", 4}}).truncate_dim, 4);
  EXPECT_EQ(read_prompts({{"truncate_dim", nullptr}}).truncate_dim, std::nullopt);
  EXPECT_ERROR(kCorruptModel, "'truncate_dim'", read_prompts({{"truncate_dim", 0}}));
}

TEST(Prompts, AreChosenByNameDefaultOrText) {
  const TextSettings settings =
      read_prompts({{"prompts", {{"query", "query: "}, {"plain", nullptr}}}, {"default_prompt_name", "query"}});
  EXPECT_EQ(choose_prompt(settings, {}), "query: ");
  EXPECT_EQ(choose_prompt(settings, {.prompt_name = "plain"}), "");
  EXPECT_EQ(choose_prompt(settings, {.prompt_name = "plain", .prompt = "say: "}), "say: ");
  EXPECT_EQ(choose_prompt(settings, {.prompt = ""}), "");
  EXPECT_EQ(choose_prompt(TextSettings(), {}), "");
}

TEST(Prompts, AreChosenByWhatTheTextsAre) {
  TextSettings settings;
  settings.prompts = {{"query", "q: "}, {"passage", "p: "}};
  EXPECT_EQ(choose_prompt(settings, {.role = Role::kQuery}), "q: ");
  EXPECT_EQ(choose_prompt(settings, {.role = Role::kDocument}), "p: ");
  EXPECT_EQ(choose_prompt(settings, {.prompt_name = "document"}), "p: ");
  EXPECT_EQ(choose_prompt(settings, {.role = Role::kQuery, .prompt = "mine "}), "mine ");
  settings.prompts.erase("passage");
  EXPECT_EQ(choose_prompt(settings, {.role = Role::kDocument}), "");
  settings.default_prompt_name = "query";
  EXPECT_EQ(choose_prompt(settings, {.role = Role::kDocument}), "") << "as encode_document of sentence-transformers";
  EXPECT_EQ(choose_prompt(settings, {}), "q: ");
}

TEST(Prompts, NameTheKnownOnesForAnUnknownName) {
  const TextSettings settings = read_prompts({{"prompts", {{"query", "query: "}, {"passage", ""}}}});
  EXPECT_ERROR(kInvalidInput, "'qery' (did you mean 'query'?), wanted one of: passage, query",
               choose_prompt(settings, {.prompt_name = "qery"}));
  EXPECT_ERROR(kInvalidInput, "'query': the model has no prompts", choose_prompt({}, {.prompt_name = "query"}));
}

TEST(Prompts, MustHoldTheDefaultOne) {
  EXPECT_ERROR(kCorruptModel, "'default_prompt_name' is 'query', which is none of the prompts",
               read_prompts({{"default_prompt_name", "query"}}));
}

TEST(Prompts, MustBeTexts) {
  EXPECT_ERROR(kCorruptModel, "'prompts'", read_prompts({{"prompts", Json::array({"query"})}}));
  EXPECT_ERROR(kCorruptModel, "'query'", read_prompts({{"prompts", {{"query", 7}}}}));
}

}  // namespace
}  // namespace mlxe
