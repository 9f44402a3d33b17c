// Spans with their places in characters, raw logits of tokens, and tokens as the model reads them.
#include "engine/token_classifier.h"

#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::load;
using ::testing::Pair;
using testing::Texts;

TEST(ClassifyTokens, FindsPlacesInCharacters) {
  const LoadedModel model = load(testing::tiny_token_classifier({"O", "B-X", "I-X"}));
  TokenClassifyOptions options;
  options.aggregation = Aggregation::kNone;
  options.ignored_labels = {};
  const Texts texts = {"a  d\u00f6g cat", "", "cat"};
  const std::vector<LabelledText> found = classify_tokens(model, texts, options);
  ASSERT_EQ(found[0].spans.size(), 3U);  // special tokens have none
  EXPECT_EQ(found[0].spans[1].begin, 3);
  EXPECT_EQ(found[0].spans[1].end, 6);
  EXPECT_EQ(found[0].spans[1].text, "d\u00f6g");
  EXPECT_EQ(found[0].spans[2].begin, 7);
  EXPECT_THAT(found[1].spans, IsEmpty());
  EXPECT_EQ(found[1].report.tokens, 2);
}

TEST(ClassifyTokens, TakesItsLabelsFromTheLogits) {
  const LoadedModel model = load(testing::tiny_token_classifier({"O", "B-X", "I-X"}));
  const Texts texts = {"one two six red green"};
  TokenClassifyOptions options;
  options.aggregation = Aggregation::kNone;
  options.ignored_labels = {};
  const std::vector<LabelledSpan> spans = classify_tokens(model, texts, options)[0].spans;
  const TokenEmbeddings logits = token_logits(model, texts, {})[0];
  ASSERT_EQ(logits.dim, 3);
  ASSERT_EQ(logits.ids.size(), spans.size() + 2);
  for (std::size_t token = 0; token < spans.size(); ++token) {
    const std::span<const float> row = std::span(logits.values).subspan((token + 1) * 3, 3);
    const auto best = static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
    EXPECT_EQ(spans[token].label, model.task.labels[best]);
  }
  options.ignored_labels = {"O", "B-X", "I-X"};
  EXPECT_THAT(classify_tokens(model, texts, options)[0].spans, IsEmpty());
}

TEST(TokenLogits, AreForModelsThatHaveThem) {
  EXPECT_ERROR(kUnsupported, "logits of tokens want", token_logits(load(testing::TinyModel()), Texts{"a"}, {}));
  EXPECT_ERROR(kUnsupported, "loaded for the task 'embed'",
               classify_tokens(load(testing::TinyModel()), Texts{"a"}, {}));
}

TEST(Tokenize, TellsIdsTokensPlacesAndWhatIsCut) {
  const LoadedModel model = load(testing::TinyModel());
  RunOptions options;
  options.max_length = 4;
  const std::vector<TokenizedText> found = tokenize(model, Texts{"the cat sat on", "dog"}, options);
  EXPECT_THAT(found[0].ids, ElementsAre(2, 5, 6, 3));
  EXPECT_THAT(found[0].tokens, ElementsAre("[CLS]", "the", "cat", "[SEP]"));
  EXPECT_THAT(found[0].offsets, ElementsAre(Pair(0, 0), Pair(0, 3), Pair(4, 7), Pair(0, 0)));
  EXPECT_THAT(found[0].special, ElementsAre(1, 0, 0, 1));
  EXPECT_TRUE(found[0].report.truncated());
  EXPECT_EQ(found[0].report.tokens_in_text, 6);
  EXPECT_FALSE(found[1].report.truncated());
  options.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "text 0 has 6 tokens", tokenize(model, Texts{"the cat sat on"}, options));
}

TEST(Tokenize, KeepsAllTokensWhenAskedAndLeavesSpecialOnesOut) {
  const LoadedModel model = load(testing::TinyModel());
  TokenizeOptions options;
  options.max_length = 4;
  options.truncate = false;
  const std::vector<TokenizedText> whole = tokenize(model, Texts{"the cat sat on"}, options);
  EXPECT_THAT(whole[0].tokens, ElementsAre("[CLS]", "the", "cat", "sat", "on", "[SEP]"));
  EXPECT_FALSE(whole[0].report.truncated());
  options.add_special_tokens = false;
  EXPECT_THAT(tokenize(model, Texts{"the cat sat on"}, options)[0].tokens, ElementsAre("the", "cat", "sat", "on"));
  const std::vector<TextPair> pairs = {{"the cat", "dog"}};
  EXPECT_THAT(tokenize_pairs(model, pairs, options)[0].tokens, ElementsAre("the", "cat", "dog"));
}

TEST(Tokenize, TellsProgressAndStopsWhenAsked) {
  const LoadedModel model = load(testing::TinyModel());
  std::vector<Progress> told;
  RunOptions options;
  options.on_progress = [&](const Progress& progress) {
    told.push_back(progress);
    return true;
  };
  static_cast<void>(tokenize(model, Texts{"the cat", "dog"}, options));
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].done, 2U);
  EXPECT_EQ(told[0].total, 2U);
  EXPECT_EQ(told[0].tokens, 7U);
  options.on_progress = [](const Progress&) { return false; };
  EXPECT_ERROR(kCancelled, "cancelled after 1 of 1 texts", tokenize(model, Texts{"the cat"}, options));
  const std::vector<TextPair> pairs = {{"the cat", "dog"}};
  EXPECT_ERROR(kCancelled, "cancelled after 1 of 1", tokenize_pairs(model, pairs, options));
}

TEST(Tokenize, PutsPairsTogether) {
  const std::vector<TextPair> pairs = {{"the cat", "dog"}};
  const TokenizedText found = tokenize_pairs(load(testing::TinyModel()), pairs, {})[0];
  EXPECT_THAT(found.ids, ElementsAre(2, 5, 6, 3, 7, 3));
  EXPECT_THAT(found.type_ids, ElementsAre(0, 0, 0, 0, 0, 0));  // as its tokenizer.json says
}

}  // namespace
}  // namespace mlxe
