// Token ids, padded on either side, give what the unpadded ones and the text of the same tokens give.
#include "engine/id_inputs.h"

#include <gmock/gmock.h>

#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"
#include "engine/token_classifier.h"
#include "mlxe/engine.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using testing::encoder;
using testing::load;
using testing::row;
using testing::Texts;
using testing::TinyModel;
using Ids = std::vector<std::int32_t>;

const Ids kBare = {2, 5, 6, 3};  // [CLS] the cat [SEP]
const Ids kLeft = {0, 0, 0, 2, 5, 6, 3};
const Ids kLeftMask = {0, 0, 0, 1, 1, 1, 1};
const Ids kRight = {2, 5, 6, 3, 0, 0};
const Ids kRightMask = {1, 1, 1, 1, 0, 0};

TEST(EmbedIds, GiveTheBitsOfTheTextHoweverTheyArePadded) {
  const TextEncoder tiny = encoder(TinyModel());
  const std::vector<float> wanted = row(tiny.embed(Texts{"the cat"}, {}), 0);
  const std::vector<TokenRow> rows = {
      {.ids = kBare}, {.ids = kLeft, .mask = kLeftMask}, {.ids = kRight, .mask = kRightMask}, {.ids = kLeft}};
  const Embeddings found = tiny.embed_ids(rows, {});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(row(found, i), wanted) << i;
    EXPECT_EQ(found.items[i].tokens, 4);
    EXPECT_FALSE(found.items[i].truncated());
  }
  EXPECT_NE(row(found, 3), wanted) << "without a mask every id counts";
  const std::vector<TokenEmbeddings> tokens = tiny.token_embeddings_ids(rows, {});
  EXPECT_EQ(tokens[1].values, tiny.token_embeddings(Texts{"the cat"}, {})[0].values);
  EXPECT_THAT(tokens[1].ids, ElementsAre(2, 5, 6, 3));
}

// BERT counts positions from 0, XLM-RoBERTa from behind the id of its padding; a decoder is pooled at its last token.
TEST(EmbedIds, OfEveryKindOfPositionsGiveTheBitsOfTheText) {
  for (const char* name : {"bert-mean", "xlmr-mean", "qwen3-embed"}) {
    const Engine engine = Engine::load(std::string("tests/fixtures/") + name, {.threads = 2});
    const EmbedOptions plain{.prompt = ""};
    const Texts texts = {"The baker lights the oven at four.", "a", "Rain"};
    const Embeddings wanted = engine.embed(texts, plain);
    const std::vector<TokenEmbeddings> tokens = engine.token_embeddings(texts, plain);
    for (const bool left : {false, true}) {
      std::vector<Ids> ids;
      std::vector<Ids> masks;
      std::vector<TokenRow> rows;
      for (const TokenEmbeddings& text : tokens) {
        const std::size_t padding = tokens[0].ids.size() + 2 - text.ids.size();
        ids.push_back(text.ids);
        masks.emplace_back(text.ids.size(), 1);
        ids.back().insert(left ? ids.back().begin() : ids.back().end(), padding, 1);
        masks.back().insert(left ? masks.back().begin() : masks.back().end(), padding, 0);
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        rows.push_back({.ids = ids[i], .mask = masks[i]});
      }
      EXPECT_EQ(engine.embed_ids(rows).values, wanted.values) << name << (left ? " left" : " right");
      EXPECT_EQ(engine.token_embeddings_ids(rows)[2].values, tokens[2].values) << name;
    }
  }
}

// 66 rows of positions, two of which are the padding's and what is before it.
TEST(EmbedIds, OfXlmRobertaMayFillEveryPositionAndNotOneMore) {
  const Engine engine = Engine::load("tests/fixtures/xlmr-mean", {.threads = 2});
  std::string text;
  for (int i = 0; i < 63; ++i) {
    text += " a";
  }
  TokenizeOptions all_tokens;
  all_tokens.truncate = false;
  const std::vector<TokenizedText> whole = engine.tokenize(Texts{text}, all_tokens);
  ASSERT_EQ(whole[0].ids.size(), 65U);
  Ids longest = whole[0].ids;
  EXPECT_ERROR(kTooLong, "row 0 has 65 tokens with special ones, the limit is 64 (from the model's positions)",
               engine.embed_ids(std::vector<TokenRow>{{.ids = longest}}));
  const Embeddings cut = engine.embed(Texts{text}, {.prompt = "", .max_length = 64});
  EXPECT_EQ(cut.items[0].tokens, 64);
  EXPECT_EQ(cut.items[0].tokens_in_text, 65);
  longest.erase(longest.end() - 2);  // the last "a"; what closes the text stays
  EXPECT_EQ(engine.embed_ids(std::vector<TokenRow>{{.ids = longest}}).values, cut.values);
  EXPECT_ERROR(kInvalidInput, "max_length is 65, wanted 3", engine.embed(Texts{text}, {.max_length = 65}));
}

TEST(EmbedIds, TakeTokenTypes) {
  const TextEncoder tiny = encoder(TinyModel());
  const Ids zeros(7, 0);
  const Ids types = {1, 1, 1, 0, 0, 1, 1};
  const std::vector<TokenRow> rows = {{.ids = kLeft, .mask = kLeftMask},
                                      {.ids = kLeft, .mask = kLeftMask, .type_ids = zeros},
                                      {.ids = kLeft, .mask = kLeftMask, .type_ids = types}};
  const Embeddings found = tiny.embed_ids(rows, {});
  EXPECT_EQ(row(found, 0), row(found, 1));
  EXPECT_NE(row(found, 0), row(found, 2));
}

TEST(EmbedIds, OfATokenClassifierGiveItsLogits) {
  const LoadedModel model = load(testing::tiny_token_classifier({"O", "B-X", "I-X"}));
  const std::vector<TokenRow> rows = {{.ids = kLeft, .mask = kLeftMask}};
  EXPECT_EQ(token_logits_ids(model, rows, {})[0].values, token_logits(model, Texts{"the cat"}, {})[0].values);
}

TEST(EmbedIds, NameTheRowThatIsWrong) {
  const TextEncoder tiny = encoder(TinyModel());
  const auto refused = [&](const Ids& ids, const Ids& mask, const Ids& types = {}) {
    const std::vector<TokenRow> rows = {{.ids = kBare}, {.ids = ids, .mask = mask, .type_ids = types}};
    return testing::message_of_error(ErrorCode::kInvalidInput, [&] { (void)tiny.embed_ids(rows, {}); });
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(refused({}, {}), HasSubstr("row 1 has no token ids"));
  EXPECT_THAT(refused({2, 3}, {0, 0}), HasSubstr("row 1 has a mask of zeros alone"));
  EXPECT_THAT(refused({2, 3}, {1}), HasSubstr("row 1 has a mask of 1 for 2 token ids"));
  EXPECT_THAT(refused({2, 3}, {1, 2}), HasSubstr("row 1 has 2 in its mask at 1, wanted 0 or 1"));
  EXPECT_THAT(refused({2, 5, 3}, {1, 0, 1}), HasSubstr("row 1 has a hole in its mask at 1"));
  EXPECT_THAT(refused({2, 24, 3}, {}), HasSubstr("row 1 has the token id 24 at 1, wanted 0 to 23"));
  EXPECT_THAT(refused({2, -1, 3}, {}), HasSubstr("row 1 has the token id -1 at 1"));
  EXPECT_THAT(refused({2, 3}, {}, {0}), HasSubstr("row 1 has 1 token types for 2 token ids"));
  EXPECT_THAT(refused({2, 3}, {}, {0, 2}), HasSubstr("row 1 has the token type 2 at 1, wanted 0 to 1"));
}

TEST(EmbedIds, AreNeverCutAndTakeNoPrompt) {
  const TinyModel model;
  model.folder.write_json("sentence_bert_config.json", {{"max_seq_length", 4}});
  const TextEncoder tiny = encoder(model);
  const Ids five = {2, 5, 6, 7, 3};
  const std::vector<TokenRow> rows = {{.ids = kBare}, {.ids = five}};
  EXPECT_EQ(tiny.embed_ids(rows, {}).items[1].tokens, 5) << "texts are cut to 4 when they are tokenised";
  EXPECT_ERROR(kTooLong, "row 1 has 5 tokens with special ones, the limit is 4 (from max_length)",
               tiny.embed_ids(rows, {.max_length = 4}));
  const Ids long_row(33, 5);
  EXPECT_ERROR(kTooLong, "the limit is 32 (from the model's positions)",
               tiny.embed_ids(std::vector<TokenRow>{{.ids = long_row}}, {}));
  EXPECT_ERROR(kInvalidInput, "not before token ids", tiny.embed_ids(rows, {.role = Role::kQuery}));
}

}  // namespace
}  // namespace mlxe
