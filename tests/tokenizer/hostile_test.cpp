// Damaged and malicious tokenizer.json files: each is an Error naming the file, none ends the process.
#include "tokenizer/tokenizer.h"

#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

Json parsed(std::string_view name) {
  return Json::parse(slurp(fixture(name) / "tokenizer.json"));
}

void expect_refused(std::string_view content) {
  const TemporaryFile file(content);
  const Error error = error_of([&] { const Tokenizer tokenizer(file.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptModel);
  EXPECT_NE(std::string(error.what()).find(file.path().string()), std::string::npos) << error.what();
}

// Loads the file; if that works, everything must give a value or an Error.
void expect_survived(const Json& json) {
  const TemporaryFile file(json.dump());
  try {
    const Tokenizer tokenizer(file.path());
    for (const std::string_view text : {"", "The ferry [MASK] <extra> x", "\xC3\xA9\xF0\x9F\x98\x80 \xEF\xB7\xBA"}) {
      for (const int limit : {0, 3}) {
        (void)encode_one(tokenizer, text, {.max_length = limit, .with_offsets = limit == 0});
      }
    }
    for (const PairTruncation truncation : {PairTruncation::kLongestFirst, PairTruncation::kOnlySecond}) {
      try {
        (void)encode_pair(tokenizer, "The [MASK]", "ferry \xC3\xA9",
                          {.max_length = 5,
                           .pair_truncation = truncation,
                           .with_offsets = true,
                           .with_special_tokens_mask = true,
                           .with_word_ids = true});
      } catch (const Error&) {
        // What single texts do not need may be wrong: the rest has to go on working.
      }
    }
    const Ids ids = {0, 1, 2, 3, 400, 1'000'000};
    (void)tokenizer.id_to_token(400);
    (void)tokenizer.decode(ids, true);
    (void)tokenizer.special_ids();
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::kCorruptModel || error.code() == ErrorCode::kInvalidInput) << error.what();
  }
}

TEST(HostileTokenizer, MissingFile) {
  const Error error = error_of([] { const Tokenizer tokenizer("no/such/tokenizer.json"); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptModel);
  EXPECT_NE(std::string(error.what()).find("no/such/tokenizer.json"), std::string::npos) << error.what();
}

TEST(HostileTokenizer, FileThatIsEmptyOrNoJsonObject) {
  for (const char* content : {"", " ", "null", "[]", "{}", "7", "\"text\"", "\xff\xfe", "{\"version\":\"1.0\"}"}) {
    expect_refused(content);
  }
}

TEST(HostileTokenizer, FileOverTheSizeLimit) {
  const TemporaryFile file("{");
  std::filesystem::resize_file(file.path(), 257U << 20U);  // sparse: takes no space
  const Error error = error_of([&] { const Tokenizer tokenizer(file.path()); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptModel);
  EXPECT_NE(std::string(error.what()).find("cannot load the tokenizer"), std::string::npos) << error.what();
}

TEST(HostileTokenizer, TruncatedJson) {
  const std::string whole = slurp(fixture("wordpiece") / "tokenizer.json");
  for (std::size_t part = 1; part < 16; ++part) {
    expect_refused(std::string_view(whole).substr(0, whole.size() * part / 16));
  }
  expect_refused(whole + "}");
}

TEST(HostileTokenizer, DeepNesting) {
  expect_refused(repeated("[", 100'000));
  expect_refused(repeated("{\"normalizer\":", 100'000));
  const std::string open = R"({"type":"Sequence","normalizers":[)";
  const std::string nested = repeated(open, 50'000) + repeated("]}", 50'000);
  expect_refused(R"({"normalizer":)" + nested + R"(,"model":{"type":"BPE","vocab":{},"merges":[]}})");
}

TEST(HostileTokenizer, WrongTypes) {
  const Json whole = parsed("wordpiece");
  for (const auto& [key, value] : whole.items()) {
    for (const Json& wrong : {Json(7), Json("text"), Json::array({1, 2}), Json({{"type", "Nonsense"}})}) {
      Json damaged = whole;
      damaged[key] = wrong;
      expect_survived(damaged);
    }
  }
  Json damaged = whole;
  damaged["model"]["vocab"]["the"] = "seven";
  expect_refused(damaged.dump());
  damaged["model"]["vocab"]["the"] = -1;
  expect_refused(damaged.dump());
  damaged["model"]["vocab"]["the"] = 4294967296ULL;
  expect_refused(damaged.dump());
  damaged = whole;
  damaged["model"] = nullptr;
  expect_refused(damaged.dump());
}

TEST(HostileTokenizer, IdsThatDoNotFitAreRefused) {
  Json damaged = parsed("wordpiece");
  damaged["model"]["vocab"]["the"] = 4294967295ULL;
  expect_refused(damaged.dump());
  damaged["model"]["vocab"]["the"] = 2147483647;
  expect_refused(damaged.dump());
}

TEST(HostileTokenizer, VocabularyWithGapsCountsToItsLargestId) {
  Json gaps = parsed("wordpiece");
  gaps["model"]["vocab"]["the"] = 70'000;
  const TemporaryFile file(gaps.dump());
  const Tokenizer tokenizer(file.path());
  EXPECT_EQ(tokenizer.vocab_size(), 70'001U);
  EXPECT_EQ(encode_one(tokenizer, "the").ids, (Ids{2, 70'000, 3}));
}

TEST(HostileTokenizer, VocabularyWithTheSameIdTwice) {
  Json damaged = parsed("wordpiece");
  for (auto& [token, id] : damaged["model"]["vocab"].items()) {
    id = 5;
  }
  expect_survived(damaged);
}

TEST(HostileTokenizer, VocabularyWithoutItsUnknownTokenFailsOnATextThatNeedsIt) {
  Json damaged = parsed("wordpiece");
  damaged["model"]["unk_token"] = "[NONE]";
  const TemporaryFile file(damaged.dump());
  const Tokenizer tokenizer(file.path());
  EXPECT_EQ(encode_one(tokenizer, "the").ids.size(), 3U);
  const std::vector<std::string_view> texts = {"the", "\xF0\x9F\x98\x80"};
  const Error error = error_of([&] { (void)tokenizer.encode(texts); });
  EXPECT_EQ(error.code(), ErrorCode::kCorruptModel);
  EXPECT_NE(std::string(error.what()).find("cannot encode text 1: "), std::string::npos) << error.what();
}

TEST(HostileTokenizer, MergesThatNameAbsentTokens) {
  Json damaged = parsed("bpe");
  damaged["model"]["merges"].push_back(Json::array({"nobody", "knows"}));
  expect_refused(damaged.dump());
  damaged = parsed("bpe");
  damaged["model"]["merges"][0] = Json::array({"only one"});
  expect_refused(damaged.dump());
  damaged["model"]["merges"][0] = Json::array({"", ""});
  expect_survived(damaged);
}

TEST(HostileTokenizer, TemplateThatNamesAnAbsentSpecialToken) {
  Json damaged = parsed("wordpiece");
  damaged["post_processor"]["special_tokens"].erase("[CLS]");
  expect_refused(damaged.dump());
  damaged = parsed("wordpiece");
  damaged["post_processor"]["special_tokens"]["[CLS]"]["ids"] = Json::array();
  expect_survived(damaged);
}

TEST(HostileTokenizer, TemplateThatUsesASecondTextOrNone) {
  Json damaged = parsed("wordpiece");
  damaged["post_processor"]["single"] = damaged["post_processor"]["pair"];
  expect_survived(damaged);
  damaged["post_processor"]["single"] = Json::array();
  expect_survived(damaged);
}

TEST(HostileTokenizer, AddedTokensThatRepeatContradictOrAreEmpty) {
  Json damaged = parsed("wordpiece");
  Json token = damaged["added_tokens"][0];
  for (const char* content : {"", " ", "[CLS]", "[PAD]", "the"}) {
    for (const int id : {0, 2, 9'999'999}) {
      token["content"] = content;
      token["id"] = id;
      token["normalized"] = id == 2;
      Json repeats = damaged;
      repeats["added_tokens"].push_back(token);
      repeats["added_tokens"].push_back(token);
      expect_survived(repeats);
    }
  }
}

TEST(HostileTokenizer, GarbagePrecompiledCharsmap) {
  // Base64 of: nothing, one byte, a size beyond the data, a trie whose units point outside of it.
  for (const char* charsmap : {"", "AA==", "/////w==", "AAQAAP////////////////8=", "not base64 at all!"}) {
    Json damaged = parsed("unigram");
    damaged["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", charsmap}};
    expect_survived(damaged);
  }
  Json damaged = parsed("unigram");
  damaged["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", "not base64 at all!"}};
  expect_refused(damaged.dump());
}

TEST(HostileTokenizer, UnigramWithAnUnknownTokenOutsideItsVocabulary) {
  Json damaged = parsed("unigram");
  damaged["model"]["unk_id"] = 1'000'000;
  expect_refused(damaged.dump());
  damaged["model"]["unk_id"] = nullptr;
  expect_survived(damaged);
  damaged["model"]["vocab"] = Json::array();
  expect_survived(damaged);
}

TEST(HostileTokenizer, UnigramScoresThatAreNoNumbers) {
  Json damaged = parsed("unigram");
  damaged["model"]["vocab"][5][1] = "high";
  expect_refused(damaged.dump());
  damaged["model"]["vocab"][5][1] = 1e308;
  damaged["model"]["vocab"][6][1] = -1e308;
  expect_survived(damaged);
}

TEST(HostileTokenizer, PatternsThatAreNoRegularExpressionsOrExplode) {
  Json damaged = parsed("bpe");
  for (const char* pattern : {"(", "[", "(?<", "a{99999}{99999}", "(a*)*b", "", "(?:(?:(?:x+)+)+)+y"}) {
    damaged["pre_tokenizer"] = {
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    expect_survived(damaged);
  }
}

TEST(HostileTokenizer, SectionsOfSomebodysLastUseAreIgnored) {
  Json odd = parsed("wordpiece");
  ASSERT_FALSE(odd["truncation"].is_null());  // 6 tokens
  ASSERT_FALSE(odd["padding"].is_null());     // to 16 tokens
  odd["truncation"]["max_length"] = 1;
  const TemporaryFile file(odd.dump());
  const Tokenizer tokenizer(file.path());
  EXPECT_EQ(encode_one(tokenizer, "the the the the the the the").ids.size(), 9U);
  EXPECT_EQ(encode_one(tokenizer, "the").ids.size(), 3U);
}

}  // namespace
}  // namespace mlxe
