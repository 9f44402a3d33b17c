// Full published vocabularies against goldens of Python's `tokenizers`, where the folder with them exists.
#include <zlib.h>

#include <fmt/format.h>

#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

const std::filesystem::path kFolder = "../shared/fixtures/tokenizers";

std::string gunzipped(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  std::string content;
  std::vector<char> chunk(1U << 20U);
  for (int count = gzread(file, chunk.data(), static_cast<unsigned>(chunk.size())); count > 0;
       count = gzread(file, chunk.data(), static_cast<unsigned>(chunk.size()))) {
    content.append(chunk.data(), static_cast<std::size_t>(count));
  }
  gzclose(file);
  return content;
}

std::string tokenizer_json(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "tokenizer.json")) {
    return slurp(folder / "tokenizer.json");
  }
  if (std::filesystem::exists(folder / "tokenizer.json.gz")) {
    return gunzipped(folder / "tokenizer.json.gz");
  }
  // Only a post-processor, to be put into another folder's tokenizer.
  const std::filesystem::path base = folder.filename() == "qwen3-embedding" ? "qwen3" : "gemma3";
  Json json = Json::parse(tokenizer_json(kFolder / base));
  json["post_processor"] = Json::parse(slurp(folder / "post_processor.json"));
  return json.dump();
}

TEST(FullVocabularies, EqualTheGoldensWhereTheyExist) {
  if (!std::filesystem::exists(kFolder)) {
    SUCCEED() << "the small fixtures cover the rest";
    return;
  }
  int num_texts = 0;
  int num_pairs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename().string();
    const TemporaryFile file(tokenizer_json(entry.path()));
    const Tokenizer tokenizer(file.path());
    const Json goldens = Json::parse(slurp(entry.path() / "cases.json"));
    EXPECT_EQ(tokenizer.vocab_size(), goldens.at("vocab_size").get<std::size_t>()) << name;
    std::vector<std::string> texts;
    for (const Json& golden : goldens.at("encode")) {
      texts.push_back(golden.at("text").get<std::string>());
    }
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    const std::vector<Encoding> encodings = tokenizer.encode(views, {.with_offsets = true, .threads = 2});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const Json& golden = goldens.at("encode")[i];
      EXPECT_EQ(encodings[i].ids, golden.at("ids").get<Ids>()) << name << ": " << texts[i];
      EXPECT_EQ(offsets_in_characters(texts[i], encodings[i].offsets), golden.at("offsets").get<Offsets>())
          << name << ": " << texts[i];
      ++num_texts;
    }
    for (const Json& golden : goldens.at("truncated")) {
      const EncodeOptions options = {.max_length = golden.at("max_length").get<int>()};
      if (!golden.contains("text")) {
        EXPECT_EQ(golden.at("strategy"), "longest_first");
        EXPECT_EQ(
            encode_pair(tokenizer, golden.at("a").get<std::string>(), golden.at("b").get<std::string>(), options).ids,
            golden.at("ids").get<Ids>())
            << name;
        ++num_pairs;
        continue;
      }
      EXPECT_EQ(encode_one(tokenizer, golden.at("text").get<std::string>(), options).ids, golden.at("ids").get<Ids>())
          << name;
    }
    for (const Json& golden : goldens.at("pairs")) {
      const Encoding encoding = encode_pair(tokenizer, golden.at("a").get<std::string>(),
                                            golden.at("b").get<std::string>(), {.with_special_tokens_mask = true});
      EXPECT_EQ(encoding.ids, golden.at("ids").get<Ids>()) << name;
      EXPECT_EQ(encoding.type_ids, golden.at("type_ids").get<Ids>()) << name;
      EXPECT_EQ(encoding.special_tokens_mask, golden.at("special_mask").get<Ids>()) << name;
      ++num_pairs;
    }
    for (const Json& golden : goldens.at("no_special")) {
      EXPECT_EQ(encode_one(tokenizer, golden.at("text").get<std::string>(), {.add_special_tokens = false}).ids,
                golden.at("ids").get<Ids>())
          << name;
    }
    for (const Json& golden : goldens.at("decode")) {
      EXPECT_EQ(tokenizer.decode(golden.at("ids").get<Ids>(), true), golden.at("text_skip_special").get<std::string>())
          << name;
    }
  }
  EXPECT_GE(num_texts, 10 * 216);
  EXPECT_GE(num_pairs, 10 * 14);
}

}  // namespace
}  // namespace mlxe
