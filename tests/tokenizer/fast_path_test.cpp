// Our own WordPiece against the crate, on goldens' texts and tens of thousands of made-up ones.
#include <algorithm>
#include <cctype>
#include <random>

#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

Json wordpiece_json() {
  return Json::parse(slurp(fixture("wordpiece") / "tokenizer.json"));
}

// Texts that hit every decision: whole and cut words, unknown ones, what is declined, and what nearly is.
class TextMaker {
 public:
  TextMaker(const Json& tokenizer_json, unsigned seed) : random_(seed) {
    for (const auto& [piece, id] : tokenizer_json.at("model").at("vocab").items()) {
      const std::string bare = piece.starts_with("##") ? piece.substr(2) : piece;
      const bool ascii =
          std::ranges::all_of(bare, [](char letter) { return static_cast<unsigned char>(letter) < 128; });
      pieces_.push_back(bare);
      if (ascii && !bare.starts_with('[')) {
        plain_pieces_.push_back(bare);
      }
    }
    for (const Json& token : tokenizer_json.at("added_tokens")) {
      added_.push_back(token.at("content").get<std::string>());
    }
  }

  std::string text() {
    std::string text;
    const int num_parts = pick(12);
    const bool plain = pick(4) != 0;
    for (int i = 0; i < num_parts; ++i) {
      text += plain ? plain_part() : any_part();
    }
    return text;
  }

  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }

 private:
  std::string plain_part() {
    switch (pick(6)) {
      case 0:
      case 1: return " " + piece(plain_pieces_);
      case 2: return piece(plain_pieces_);
      case 3: return std::string(1, static_cast<char>(' ' + pick(95)));
      case 4: return std::string(1 + static_cast<std::size_t>(pick(3)), " \t\n\r"[pick(4)]);
      default: {
        std::string letters;
        for (int i = pick(120) == 0 ? 130 : pick(9); i > 0; --i) {
          letters += static_cast<char>((pick(5) == 0 ? 'A' : 'a') + pick(26));
        }
        return letters;
      }
    }
  }

  std::string any_part() {
    switch (pick(6)) {
      case 0: {
        std::string token = added_[static_cast<std::size_t>(pick(static_cast<int>(added_.size())))];
        if (pick(3) == 0) {
          token.resize(token.size() - 1);
        }
        for (char& letter : token) {
          letter = pick(6) == 0 ? static_cast<char>(std::toupper(static_cast<unsigned char>(letter))) : letter;
        }
        return token;
      }
      case 1: return std::string(1, static_cast<char>(pick(128)));
      case 2: {  // any character but a surrogate
        const int highest = pick(3) == 0 ? 0x110000 : 0x3000;
        const int point = pick(highest - 0x800);
        return utf8(static_cast<char32_t>(point < 0xD800 ? point : point + 0x800));
      }
      case 3: return piece(pieces_);
      default: return plain_part();
    }
  }

  std::string piece(const std::vector<std::string>& pieces) {
    std::string piece = pieces[static_cast<std::size_t>(pick(static_cast<int>(pieces.size())))];
    if (pick(4) == 0) {
      piece[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(piece[0])));
    }
    return piece;
  }

  static std::string utf8(char32_t point) {
    std::string bytes;
    const auto tail = [](char32_t bits) { return static_cast<char>(0x80U | (bits & 0x3FU)); };
    if (point < 0x80) {
      bytes = {static_cast<char>(point)};
    } else if (point < 0x800) {
      bytes = {static_cast<char>(0xC0U | (point >> 6U)), tail(point)};
    } else if (point < 0x10000) {
      bytes = {static_cast<char>(0xE0U | (point >> 12U)), tail(point >> 6U), tail(point)};
    } else {
      bytes = {static_cast<char>(0xF0U | (point >> 18U)), tail(point >> 12U), tail(point >> 6U), tail(point)};
    }
    return bytes;
  }

  std::mt19937 random_;
  std::vector<std::string> pieces_;
  std::vector<std::string> plain_pieces_;
  std::vector<std::string> added_;
};

EncodeOptions random_options(TextMaker& maker) {
  const PairTruncation truncations[] = {PairTruncation::kLongestFirst, PairTruncation::kOnlyFirst,
                                        PairTruncation::kOnlySecond};
  return {.max_length = maker.pick(2) == 0 ? 0 : 4 + maker.pick(12),
          .add_special_tokens = maker.pick(4) != 0,
          .kept_end = maker.pick(3) == 0 ? KeptEnd::kLast : KeptEnd::kFirst,
          .pair_truncation = truncations[maker.pick(3)],
          .with_special_tokens_mask = maker.pick(2) == 0};
}

// What `encode` gives, as one value: the error's message counts as a result.
template <typename Encode>
std::vector<std::string> outcome(Encode encode, EncodeOptions options, bool by_library) {
  options.with_offsets = by_library;
  try {
    const std::vector<Encoding> encodings = encode(options);
    std::vector<std::string> all;
    for (const Encoding& encoding : encodings) {
      all.push_back(
          Json({encoding.ids, encoding.type_ids, encoding.special_tokens_mask, encoding.length_in_text}).dump());
    }
    return all;
  } catch (const Error& error) {
    return {error.what()};
  }
}

/// \returns the share of texts that took the fast path
double expect_equal_ways(const Json& json, int num_texts, Casing casing = Casing::kAsFile) {
  const TemporaryFile file(json.dump());
  const Tokenizer tokenizer(file.path(), casing);
  TextMaker maker(json, 7);
  constexpr int kBatch = 20;
  int num_fast = 0;
  for (int done = 0; done < num_texts; done += kBatch) {
    std::vector<std::string> texts;
    for (int i = 0; i < kBatch; ++i) {
      texts.push_back(maker.text());
      num_fast += tokenizer.takes_fast_path(texts.back()) ? 1 : 0;
    }
    const EncodeOptions options = random_options(maker);
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const auto encode = [&](const EncodeOptions& chosen) { return tokenizer.encode(views, chosen); };
    const std::vector<std::string> fast = outcome(encode, options, false);
    const std::vector<std::string> library = outcome(encode, options, true);
    EXPECT_EQ(fast.size(), library.size());
    for (std::size_t i = 0; i < std::min(fast.size(), library.size()); ++i) {
      EXPECT_EQ(fast[i], library[i]) << Json(texts[i]).dump();
    }
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    for (std::size_t i = 0; i < views.size(); i += 2) {
      pairs.emplace_back(views[i], views[i + 1]);
    }
    const auto encode_pairs = [&](const EncodeOptions& chosen) { return tokenizer.encode_pairs(pairs, chosen); };
    EXPECT_EQ(outcome(encode_pairs, options, false), outcome(encode_pairs, options, true));
    if (testing::Test::HasFailure()) {
      break;  // one batch tells enough
    }
  }
  return static_cast<double>(num_fast) / num_texts;
}

TEST(FastPath, GivesTheIdsOfTheLibraryOnMadeUpTexts) {
  const double share = expect_equal_ways(wordpiece_json(), 20'000);
  EXPECT_GT(share, 0.5);
  EXPECT_LT(share, 0.95);
}

TEST(FastPath, GivesTheIdsOfTheLibraryWithAFullVocabulary) {
  const std::filesystem::path path = "../shared/fixtures/tokenizers/bert/tokenizer.json";
  if (!std::filesystem::exists(path)) {
    SUCCEED() << "the small vocabulary covers the same decisions";
    return;
  }
  EXPECT_GT(expect_equal_ways(Json::parse(slurp(path)), 20'000), 0.5);
}

TEST(FastPath, FollowsEverySettingOfTheFile) {
  Json cased = wordpiece_json();
  cased["normalizer"]["lowercase"] = false;
  EXPECT_GT(expect_equal_ways(cased, 2000), 0.5);
  EXPECT_GT(expect_equal_ways(cased, 2000, Casing::kLower), 0.5);

  Json raw = wordpiece_json();
  raw["normalizer"]["clean_text"] = false;
  raw["normalizer"]["strip_accents"] = false;
  EXPECT_GT(expect_equal_ways(raw, 2000), 0.5);

  Json short_words = wordpiece_json();
  short_words["model"]["max_input_chars_per_word"] = 5;
  EXPECT_GT(expect_equal_ways(short_words, 2000), 0.5);

  Json no_prefix = wordpiece_json();
  no_prefix["model"]["continuing_subword_prefix"] = "";
  EXPECT_GT(expect_equal_ways(no_prefix, 2000), 0.5);

  Json long_pieces = wordpiece_json();
  const auto next_id = static_cast<int>(long_pieces["model"]["vocab"].size());
  long_pieces["model"]["vocab"][std::string(40, 'a')] = next_id + 10;
  long_pieces["model"]["vocab"]["##" + std::string(35, 'b')] = next_id + 11;
  EXPECT_GT(expect_equal_ways(long_pieces, 2000), 0.5);
}

TEST(FastPath, FollowsEveryPostProcessor) {
  Json json = wordpiece_json();
  json["post_processor"] = nullptr;
  EXPECT_GT(expect_equal_ways(json, 2000), 0.5);
  json["post_processor"] = {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  EXPECT_GT(expect_equal_ways(json, 2000), 0.5);
  json["post_processor"] = {{"type", "RobertaProcessing"},
                            {"sep", {"[SEP]", 3}},
                            {"cls", {"[CLS]", 2}},
                            {"trim_offsets", true},
                            {"add_prefix_space", false}};
  EXPECT_GT(expect_equal_ways(json, 2000), 0.5);
}

TEST(FastPath, LeavesAlonePostProcessorsThatReorderOrRepeatTexts) {
  Json json = wordpiece_json();
  Json& post = json["post_processor"];
  const Json text = post["single"][1];
  const Json second = post["pair"][3];
  post["pair"] = Json::array({second, text});
  EXPECT_GT(expect_equal_ways(json, 1000), 0.5);
  post["single"] = Json::array({text, text});
  EXPECT_EQ(expect_equal_ways(json, 1000), 0.0);
}

TEST(FastPath, AddedTokensAreFoundInAnyCaseThatTheLibraryFindsThem) {
  Json json = wordpiece_json();
  Json token = json["added_tokens"][0];
  const auto next_id = static_cast<int>(json["model"]["vocab"].size());
  int id = next_id + 20;
  for (const char* content : {"The", "f", "x y", "\t", "!"}) {
    for (const bool normalized : {false, true}) {
      token["content"] = content;
      token["normalized"] = normalized && std::string_view(content) != "\t";
      token["special"] = false;
      token["id"] = id++;
      Json more = json;
      more["added_tokens"].push_back(token);
      (void)expect_equal_ways(more, 1000);
    }
  }
  // Normalizing turns this one into plain "e", which may stand anywhere.
  token["content"] = "\xC3\xA9";
  token["normalized"] = true;
  Json more = json;
  more["added_tokens"].push_back(token);
  EXPECT_EQ(expect_equal_ways(more, 1000), 0.0);
}

TEST(FastPath, UnknownWordsWithoutAnUnknownTokenFailAsInTheLibrary) {
  Json json = wordpiece_json();
  json["model"]["unk_token"] = "[NONE]";
  (void)expect_equal_ways(json, 2000);
}

TEST(FastPath, DeclinesWhatItDoesNotKnow) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  EXPECT_TRUE(tokenizer.takes_fast_path("The ferry [leaves]\tat <noon>."));
  EXPECT_TRUE(tokenizer.takes_fast_path(""));
  EXPECT_FALSE(tokenizer.takes_fast_path("caf\xC3\xA9"));
  EXPECT_FALSE(tokenizer.takes_fast_path("bell\x07"));
  EXPECT_FALSE(tokenizer.takes_fast_path("a [mask]"));
  EXPECT_FALSE(tokenizer.takes_fast_path("<extra>"));
  EXPECT_FALSE(tokenizer.takes_fast_path("\xff"));
  EXPECT_FALSE(Tokenizer(fixture("bpe") / "tokenizer.json").takes_fast_path("the"));
  EXPECT_FALSE(Tokenizer(fixture("unigram") / "tokenizer.json").takes_fast_path("the"));
}

TEST(FastPath, MixedBatchesKeepTheirOrder) {
  const Tokenizer tokenizer(fixture("wordpiece") / "tokenizer.json");
  std::vector<std::string> texts;
  for (int i = 0; i < 500; ++i) {
    texts.push_back((i % 3 == 0 ? "\xC3\xA9 " : "") + std::to_string(i));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  const std::vector<Encoding> library = tokenizer.encode(views, {.with_offsets = true});
  for (const int threads : {1, 3}) {
    const std::vector<Encoding> encodings = tokenizer.encode(views, {.threads = threads});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(encodings[i].ids, library[i].ids) << texts[i];
    }
  }
}

}  // namespace
}  // namespace mlxe
