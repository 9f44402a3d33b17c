// Tokenizer against goldens of Python's `tokenizers` over three small tokenizers: WordPiece, byte-level BPE, Unigram.
#include "tokenizer/tokenizer.h"

#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

class TokenizerGoldens : public testing::TestWithParam<const char*> {
 protected:
  TokenizerGoldens()
      : tokenizer_(fixture(GetParam()) / "tokenizer.json"),
        goldens_(Json::parse(slurp(fixture(GetParam()) / "goldens.json"))) {}

  Tokenizer tokenizer_;
  Json goldens_;
};

INSTANTIATE_TEST_SUITE_P(Models, TokenizerGoldens, testing::Values("wordpiece", "bpe", "unigram"),
                         [](const auto& model) { return std::string(model.param); });

void expect_equal(const Encoding& encoding, const Json& golden, const std::string& what) {
  EXPECT_EQ(encoding.ids, golden.at("ids").get<Ids>()) << what;
  EXPECT_EQ(encoding.type_ids, golden.at("type_ids").get<Ids>()) << what;
  EXPECT_EQ(encoding.offsets, golden.at("offsets").get<Offsets>()) << what;
}

TEST_P(TokenizerGoldens, EncodesEveryTextEquallyWithOffsetsInBytes) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto text = golden.at("text").get<std::string>();
    expect_equal(encode_one(tokenizer_, text, {.with_offsets = true}), golden, text);
    EXPECT_EQ(encode_one(tokenizer_, text).ids, golden.at("ids").get<Ids>()) << text;
    EXPECT_TRUE(encode_one(tokenizer_, text).offsets.empty());
  }
}

TEST_P(TokenizerGoldens, EncodesEveryTextWithoutSpecialTokens) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto text = golden.at("text").get<std::string>();
    expect_equal(encode_one(tokenizer_, text, {.add_special_tokens = false, .with_offsets = true}),
                 golden.at("no_special"), text);
  }
}

TEST_P(TokenizerGoldens, TruncatesEveryTextAsTheLibraryDoesAndKeepsTheSpecialTokens) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto text = golden.at("text").get<std::string>();
    for (const Json& cut : golden.at("truncated")) {
      const int limit = cut.at("max_length").get<int>();
      const std::string what = text + " at " + std::to_string(limit);
      const Encoding encoding = encode_one(tokenizer_, text, {.max_length = limit, .with_offsets = true});
      expect_equal(encoding, cut, what);
      EXPECT_EQ(encode_one(tokenizer_, text, {.max_length = limit}).ids, cut.at("ids").get<Ids>()) << what;
      EXPECT_EQ(encoding.length_in_text, static_cast<int>(golden.at("ids").size())) << what;
      const EncodeOptions plain = {.max_length = limit, .add_special_tokens = false, .with_offsets = true};
      expect_equal(encode_one(tokenizer_, text, plain), cut.at("no_special"), what);
      const EncodeOptions last = {.max_length = limit, .kept_end = KeptEnd::kLast, .with_offsets = true};
      expect_equal(encode_one(tokenizer_, text, last), cut.at("left"), what);
    }
  }
}

TEST_P(TokenizerGoldens, TellsSpecialTokensAndWords) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto text = golden.at("text").get<std::string>();
    const Encoding encoding = encode_one(tokenizer_, text, {.with_special_tokens_mask = true, .with_word_ids = true});
    EXPECT_EQ(encoding.special_tokens_mask, golden.at("special_mask").get<Ids>()) << text;
    EXPECT_EQ(encoding.word_ids, golden.at("word_ids").get<Ids>()) << text;
    EXPECT_EQ(encode_one(tokenizer_, text, {.with_special_tokens_mask = true}).special_tokens_mask,
              golden.at("special_mask").get<Ids>())
        << text;
    EXPECT_TRUE(encode_one(tokenizer_, text).special_tokens_mask.empty());
    EXPECT_TRUE(encode_one(tokenizer_, text).word_ids.empty());
  }
}

TEST_P(TokenizerGoldens, LengthInTextIgnoresTheLimit) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto text = golden.at("text").get<std::string>();
    EXPECT_EQ(encode_one(tokenizer_, text).length_in_text, static_cast<int>(golden.at("ids").size())) << text;
    const EncodeOptions plain = {.max_length = 2, .add_special_tokens = false};
    EXPECT_EQ(encode_one(tokenizer_, text, plain).length_in_text,
              static_cast<int>(golden.at("no_special").at("ids").size()))
        << text;
  }
}

TEST_P(TokenizerGoldens, LongTextsHaveTheLengthAndTheFirstTokensOfTheLibrary) {
  for (const Json& golden : goldens_.at("long_cases")) {
    const auto unit = golden.at("unit").get<std::string>();
    const std::string text = repeated(unit, golden.at("count").get<std::size_t>());
    const EncodeOptions options = {.max_length = golden.at("max_length").get<int>(), .with_offsets = true};
    const Encoding encoding = encode_one(tokenizer_, text, options);
    expect_equal(encoding, golden, unit);
    EXPECT_EQ(encoding.length_in_text, golden.at("num_tokens").get<int>()) << unit;
  }
}

TEST_P(TokenizerGoldens, DecodesWithAndWithoutSpecialTokens) {
  for (const Json& golden : goldens_.at("cases")) {
    const auto ids = golden.at("ids").get<Ids>();
    EXPECT_EQ(tokenizer_.decode(ids, true), golden.at("decoded").get<std::string>());
    EXPECT_EQ(tokenizer_.decode(ids, false), golden.at("decoded_special").get<std::string>());
  }
}

TEST_P(TokenizerGoldens, KnowsTheFactsOfItsVocabulary) {
  EXPECT_EQ(tokenizer_.vocab_size(), goldens_.at("vocab_size").get<std::size_t>());
  EXPECT_EQ(tokenizer_.num_special_tokens(), goldens_.at("num_special_tokens").get<int>());
  EXPECT_EQ(tokenizer_.special_ids(), goldens_.at("special_ids").get<Ids>());
}

TEST_P(TokenizerGoldens, BatchesOverThreadsGiveTheSameAsOneText) {
  std::vector<std::string> texts;
  std::vector<Ids> wanted;
  for (int round = 0; round < 40; ++round) {
    for (const Json& golden : goldens_.at("cases")) {
      texts.push_back(golden.at("text").get<std::string>());
      wanted.push_back(golden.at("ids").get<Ids>());
    }
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  for (const int threads : {1, 2, 5}) {
    const std::vector<Encoding> encodings = tokenizer_.encode(views, {.with_offsets = true, .threads = threads});
    ASSERT_EQ(encodings.size(), texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(encodings[i].ids, wanted[i]) << "text " << i << ", threads " << threads;
      ASSERT_EQ(encodings[i].offsets.size(), wanted[i].size());
    }
  }
}

TEST(Tokenizer, FindsTheIdsOfTokens) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_EQ(tokenizer.token_to_id("[CLS]"), 2);
  EXPECT_EQ(tokenizer.token_to_id("<extra>"), 450);  // an added token
  EXPECT_EQ(tokenizer.token_to_id("not a token"), std::nullopt);
  EXPECT_EQ(tokenizer.token_to_id("\xff"), std::nullopt);
}

TEST(Tokenizer, FindsTheTokensOfIds) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_EQ(tokenizer.id_to_token(2), "[CLS]");
  EXPECT_EQ(tokenizer.id_to_token(450), "<extra>");
  EXPECT_EQ(tokenizer.id_to_token(100'000), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(tokenizer.vocab_size()); ++id) {
    EXPECT_EQ(tokenizer.token_to_id(tokenizer.id_to_token(id).value()), id);
  }
}

TEST(Tokenizer, PrefixAndSuffixStayAndOnlyTheTextBetweenIsCut) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EncodeOptions options = {.add_special_tokens = false,
                           .prefix_ids = {7, 8},
                           .suffix_ids = {9},
                           .with_offsets = true,
                           .with_special_tokens_mask = true,
                           .with_word_ids = true};
  for (const int limit : {0, 5, 6}) {
    options.max_length = limit;
    const Encoding whole = encode_one(tokenizer, "the ferry", options);
    EXPECT_EQ(whole.ids, (Ids{7, 8, 139, 435, 9}));
    EXPECT_EQ(whole.length_in_text, 5);
    EXPECT_EQ(whole.type_ids, (Ids{0, 0, 0, 0, 0}));
    EXPECT_EQ(whole.special_tokens_mask, (Ids{1, 1, 0, 0, 1}));
    EXPECT_EQ(whole.word_ids, (Ids{kNoWord, kNoWord, 0, 1, kNoWord}));
    EXPECT_EQ(whole.offsets, (Offsets{{0, 0}, {0, 0}, {0, 3}, {4, 9}, {0, 0}}));
  }
  options.max_length = 4;
  EXPECT_EQ(encode_one(tokenizer, "the ferry", options).ids, (Ids{7, 8, 139, 9}));
  EXPECT_EQ(encode_one(tokenizer, "the ferry", options).length_in_text, 5);
  options.kept_end = KeptEnd::kLast;
  EXPECT_EQ(encode_one(tokenizer, "the ferry", options).ids, (Ids{7, 8, 435, 9}));
  options.max_length = 3;  // nothing is left for the text, which is not the same as no limit
  EXPECT_EQ(encode_one(tokenizer, "the ferry", options).ids, (Ids{7, 8, 9}));
}

TEST(Tokenizer, PrefixAndSuffixGoAroundTheSpecialTokensAndAroundPairs) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const EncodeOptions options = {.max_length = 6, .prefix_ids = {7, 8}, .suffix_ids = {9}};
  EXPECT_EQ(encode_one(tokenizer, "the ferry", options).ids, (Ids{7, 8, 2, 139, 3, 9}));
  EXPECT_EQ(encode_pair(tokenizer, "the", "ferry", {.prefix_ids = {7}}).ids, (Ids{7, 2, 139, 3, 435, 3}));
  EXPECT_EQ(encode_pair(tokenizer, "the", "ferry", {.prefix_ids = {7}}).type_ids, (Ids{0, 0, 0, 0, 1, 1}));
}

TEST(Tokenizer, PrefixOrSuffixThatDoesNotFitIsAnError) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const auto message = [&](const EncodeOptions& options) {
    const Error error = error_of([&] { (void)encode_one(tokenizer, "the", options); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return std::string(error.what());
  };
  EXPECT_EQ(message({.max_length = 2, .prefix_ids = {7, 8}, .suffix_ids = {9}}),
            "max_length is 2, the special tokens, prefix and suffix alone are 5");
  EXPECT_EQ(message({.max_length = 4, .prefix_ids = {7, 8}, .suffix_ids = {9}}),
            "max_length is 4, the special tokens, prefix and suffix alone are 5");
  EXPECT_NE(message({.prefix_ids = {-1}}).find("token id -1 of a prefix or suffix"), std::string::npos);
  EXPECT_NE(message({.suffix_ids = {1'000'000}}).find("token id 1000000 of a prefix or suffix"), std::string::npos);
}

TEST(Tokenizer, EmptyBatchGivesNothing) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_TRUE(tokenizer.encode({}, {.threads = 2}).empty());
}

TEST(Tokenizer, InvalidUtf8IsAnErrorNamingTheFirstSuchText) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  std::vector<std::string_view> texts(100, "good");
  texts[37] = "bad \xc3(";
  texts[90] = "\xed\xa0\x80";  // a surrogate
  for (const int threads : {1, 4}) {
    const Error error = error_of([&] { (void)tokenizer.encode(texts, {.threads = threads}); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_STREQ(error.what(), "text 37 is no valid UTF-8 at byte 4");
  }
}

TEST(Tokenizer, LimitBelowTheSpecialTokensIsAnError) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const Error error = error_of([&] { (void)encode_one(tokenizer, "tea", {.max_length = 1}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_STREQ(error.what(), "max_length is 1, the special tokens alone are 2");
  EXPECT_EQ(encode_one(tokenizer, "tea tea", {.max_length = 1, .add_special_tokens = false}).ids.size(), 1U);
}

TEST(Tokenizer, CanBeOneThatNeverAddsSpecialTokens) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json", Casing::kAsFile, SpecialTokens::kNone);
  EXPECT_EQ(tokenizer.num_special_tokens(), 0);
  EXPECT_EQ(tokenizer.num_special_tokens(Sequences::kPair), 0);
  EXPECT_EQ(encode_one(tokenizer, "tea tea").ids.size(), 2U);
  EXPECT_EQ(encode_one(tokenizer, "tea tea", {.max_length = 1}).ids.size(), 1U);
  EXPECT_EQ(encode_one(tokenizer, "tea tea", {.max_length = 1}).length_in_text, 2);
}

TEST(Tokenizer, NegativeArgumentsAreErrors) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_EQ(error_of([&] { (void)encode_one(tokenizer, "a", {.max_length = -1}); }).code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(error_of([&] { (void)encode_one(tokenizer, "a", {.threads = 0}); }).code(), ErrorCode::kInvalidInput);
  const Ids negative = {2, -1};
  EXPECT_EQ(error_of([&] { (void)tokenizer.decode(negative, true); }).code(), ErrorCode::kInvalidInput);
}

TEST(Tokenizer, DecodeSkipsIdsOutsideTheVocabulary) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const Ids ids = {2, 1'000'000, 3};
  EXPECT_EQ(tokenizer.decode(ids, false), "[CLS] [SEP]");
}

// Each of these took quadratic time or a gigabyte in some tokenizer; the test's time limit is what would fail.
TEST_P(TokenizerGoldens, HugeTextsStayLinear) {
  const std::vector<std::string> texts = {
      repeated("a", 500'000),                 // one word
      repeated("\xF0\x9F\x98\x80", 100'000),  // emoji
      repeated("\xCC\x81", 200'000),          // combining marks over nothing
      repeated(" ", 200'000),
      repeated("\xEF\xB7\xBA", 20'000),  // one ligature that NFKC turns into 18 letters
  };
  for (const std::string& text : texts) {
    const Encoding encoding = encode_one(tokenizer_, text, {.max_length = 16});
    EXPECT_LE(encoding.ids.size(), 16U);
    EXPECT_GE(encoding.length_in_text, static_cast<int>(encoding.ids.size()));
  }
}

}  // namespace
}  // namespace mlxe
