// Pairs of texts against goldens of Python's `tokenizers`: post-processing, and the three ways of cutting a pair.
#include "tokenizer/tokenizer.h"

#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;
using Pair = std::pair<std::string_view, std::string_view>;

class TokenizerPairs : public testing::TestWithParam<const char*> {
 protected:
  TokenizerPairs()
      : tokenizer_(fixture(GetParam()) / "tokenizer.json"),
        goldens_(Json::parse(slurp(fixture(GetParam()) / "goldens.json"))) {}

  Tokenizer tokenizer_;
  Json goldens_;
};

INSTANTIATE_TEST_SUITE_P(Models, TokenizerPairs, testing::Values("wordpiece", "bpe", "unigram"),
                         [](const auto& model) { return std::string(model.param); });

PairTruncation truncation_of(const std::string& name) {
  return name == "only_first"    ? PairTruncation::kOnlyFirst
         : name == "only_second" ? PairTruncation::kOnlySecond
                                 : PairTruncation::kLongestFirst;
}

// Twice: with all that can be asked for, and with nothing, which takes a faster way through the library.
void expect_equal(const Tokenizer& tokenizer, const Json& pair, EncodeOptions options, const Json& golden,
                  const std::string& what) {
  const auto first = pair[0].get<std::string>();
  const auto second = pair[1].get<std::string>();
  const Encoding bare = encode_pair(tokenizer, first, second, options);
  EXPECT_EQ(bare.ids, golden.at("ids").get<Ids>()) << what;
  EXPECT_EQ(bare.type_ids, golden.at("type_ids").get<Ids>()) << what;
  EXPECT_TRUE(bare.offsets.empty() && bare.special_tokens_mask.empty() && bare.word_ids.empty()) << what;
  options.with_special_tokens_mask = true;
  EXPECT_EQ(encode_pair(tokenizer, first, second, options).special_tokens_mask, golden.at("special_mask").get<Ids>());
  options.with_offsets = true;
  options.with_word_ids = true;
  const Encoding full = encode_pair(tokenizer, first, second, options);
  EXPECT_EQ(full.ids, golden.at("ids").get<Ids>()) << what;
  EXPECT_EQ(full.type_ids, golden.at("type_ids").get<Ids>()) << what;
  EXPECT_EQ(full.offsets, golden.at("offsets").get<Offsets>()) << what;
  EXPECT_EQ(full.special_tokens_mask, golden.at("special_mask").get<Ids>()) << what;
  EXPECT_EQ(full.word_ids, golden.at("word_ids").get<Ids>()) << what;
}

TEST_P(TokenizerPairs, EncodesEveryPairWithAndWithoutSpecialTokens) {
  for (const Json& golden : goldens_.at("pairs")) {
    const std::string what = golden.at("pair").dump();
    expect_equal(tokenizer_, golden.at("pair"), {}, golden, what);
    expect_equal(tokenizer_, golden.at("pair"), {.add_special_tokens = false}, golden.at("no_special"), what);
  }
}

TEST_P(TokenizerPairs, CutsEveryPairAsTheLibraryDoesAndRefusesWhatItRefuses) {
  for (const Json& golden : goldens_.at("pairs")) {
    for (const Json& cut : golden.at("truncated")) {
      const auto direction = cut.at("direction").get<std::string>();
      const auto strategy = cut.at("strategy").get<std::string>();
      const EncodeOptions options = {.max_length = cut.at("max_length").get<int>(),
                                     .kept_end = direction == "left" ? KeptEnd::kLast : KeptEnd::kFirst,
                                     .pair_truncation = truncation_of(strategy)};
      const std::string what =
          golden.at("pair").dump() + " " + strategy + " " + direction + " " + std::to_string(options.max_length);
      if (cut.contains("refused")) {
        const auto first = golden.at("pair")[0].get<std::string>();
        const auto second = golden.at("pair")[1].get<std::string>();
        const Error error = error_of([&] { (void)encode_pair(tokenizer_, first, second, options); });
        EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << what;
        EXPECT_NE(std::string(error.what()).find("pair 0 cannot be cut to its limit"), std::string::npos)
            << error.what();
      } else {
        expect_equal(tokenizer_, golden.at("pair"), options, cut, what);
      }
    }
  }
}

TEST_P(TokenizerPairs, LengthInTextIgnoresTheLimit) {
  for (const Json& golden : goldens_.at("pairs")) {
    const auto first = golden.at("pair")[0].get<std::string>();
    const auto second = golden.at("pair")[1].get<std::string>();
    EXPECT_EQ(encode_pair(tokenizer_, first, second, {.max_length = 4}).length_in_text,
              static_cast<int>(golden.at("ids").size()));
    EXPECT_EQ(encode_pair(tokenizer_, first, second, {.max_length = 4, .add_special_tokens = false}).length_in_text,
              static_cast<int>(golden.at("no_special").at("ids").size()));
  }
}

TEST_P(TokenizerPairs, KnowsHowManySpecialTokensAPairGets) {
  EXPECT_EQ(tokenizer_.num_special_tokens(Sequences::kPair), goldens_.at("num_special_tokens_of_pair").get<int>());
  EXPECT_EQ(tokenizer_.num_special_tokens(Sequences::kOne), goldens_.at("num_special_tokens").get<int>());
}

TEST_P(TokenizerPairs, BatchesOverThreadsGiveTheSameAsOnePair) {
  std::vector<std::pair<std::string, std::string>> texts;
  std::vector<Ids> wanted;
  for (int round = 0; round < 40; ++round) {
    for (const Json& golden : goldens_.at("pairs")) {
      texts.emplace_back(golden.at("pair")[0].get<std::string>(), golden.at("pair")[1].get<std::string>());
      wanted.push_back(golden.at("ids").get<Ids>());
    }
  }
  const std::vector<Pair> pairs(texts.begin(), texts.end());
  for (const int threads : {1, 2, 5}) {
    const std::vector<Encoding> encodings = tokenizer_.encode_pairs(pairs, {.threads = threads});
    ASSERT_EQ(encodings.size(), pairs.size());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      ASSERT_EQ(encodings[i].ids, wanted[i]) << "pair " << i << ", threads " << threads;
    }
  }
}

TEST(TokenizerPair, LimitOfTheSpecialTokensLeavesOnlyThemWhateverMayBeCut) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  for (const PairTruncation truncation :
       {PairTruncation::kLongestFirst, PairTruncation::kOnlyFirst, PairTruncation::kOnlySecond}) {
    EXPECT_EQ(encode_pair(tokenizer, "the", "ferry", {.max_length = 3, .pair_truncation = truncation}).ids,
              (Ids{2, 3, 3}));
  }
  const Error error = error_of([&] { (void)encode_pair(tokenizer, "the", "ferry", {.max_length = 2}); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_STREQ(error.what(), "max_length is 2, the special tokens alone are 3");
}

TEST(TokenizerPair, RefusalSaysWhatIsTooLong) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const EncodeOptions options = {.max_length = 6, .pair_truncation = PairTruncation::kOnlySecond};
  const std::vector<Pair> pairs = {{"the", "ferry"}, {"the the the", "ferry"}};
  const Error error = error_of([&] { (void)tokenizer.encode_pairs(pairs, options); });
  EXPECT_STREQ(error.what(),
               "pair 1 cannot be cut to its limit: its first text has 3 tokens, which leaves nothing of 3 for the "
               "second text, the only one that may be cut");
}

TEST(TokenizerPair, WithoutAPostProcessorTheSecondTextHasTypeOne) {
  Json json = Json::parse(slurp(fixture("bpe") / "tokenizer.json"));
  json["post_processor"] = nullptr;
  const TemporaryFile file(json.dump());
  const Tokenizer tokenizer(file.path());
  for (const bool with_offsets : {false, true}) {
    const Encoding encoding = encode_pair(tokenizer, "the sea", "tea", {.with_offsets = with_offsets});
    EXPECT_EQ(encoding.ids, (Ids{85, 73, 70, 579, 85, 262}));
    EXPECT_EQ(encoding.type_ids, (Ids{0, 0, 0, 0, 1, 1}));
  }
}

TEST(TokenizerPair, InvalidUtf8NamesThePairAndTheText) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  const std::vector<Pair> second = {{"good", "good"}, {"good", "bad \xc3("}};
  const Error error = error_of([&] { (void)tokenizer.encode_pairs(second); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_STREQ(error.what(), "pair 1 has a second text that is no valid UTF-8 at byte 4");
  const std::vector<Pair> first = {{"\xff", "good"}};
  EXPECT_STREQ(error_of([&] { (void)tokenizer.encode_pairs(first); }).what(),
               "pair 0 has a first text that is no valid UTF-8 at byte 0");
}

TEST(TokenizerPair, EmptyBatchGivesNothing) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_TRUE(tokenizer.encode_pairs({}, {.threads = 2}).empty());
}

TEST(TokenizerPair, TemplateThatFailsOnPairsIsAnErrorAndServesSingleTexts) {
  Json json = Json::parse(slurp(fixture("wordpiece") / "tokenizer.json"));
  // The second template is given five pieces, which the library does not expect.
  Json post = json["post_processor"];
  post["single"] = Json::array({{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}});
  json["post_processor"] = {{"type", "Sequence"}, {"processors", Json::array({post, post})}};
  const TemporaryFile file(json.dump());
  const Tokenizer tokenizer(file.path());
  EXPECT_EQ(encode_one(tokenizer, "the").ids.size(), 1U);
  const Error error = error_of([&] { (void)encode_pair(tokenizer, "the", "ferry"); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptModel);
  EXPECT_NE(std::string(error.what()).find("cannot encode pair 0"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace mlxe
