// Strict JSON: what is refused and how, and the fields of a configuration with their bounds.
#include "base/json.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using mlxe::testing::ScratchFolder;

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) {
    all += text;
  }
  return all;
}

TEST(ParseJson, ReadsEveryKindOfValueInPlace) {
  const std::string text =
      R"({"a": [1, -2, 2.5, [true, {}], {"b": null}], "c": "h\u00e9", "d": {"e": false}, "f": []})";
  const Json json = parse_json(text, "x");
  EXPECT_EQ(json.dump(), R"({"a":[1,-2,2.5,[true,{}],{"b":null}],"c":"hé","d":{"e":false},"f":[]})");
  EXPECT_EQ(parse_json(" 7 ", "x"), Json(7));
}

TEST(ParseJson, NamesTheTextAndThePlaceOfASyntaxError) {
  EXPECT_ERROR(kCorruptModel, "config.json: not valid JSON: parse error at line 2, column 6",
               parse_json("{\n\"a\": }", "config.json"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json("", "x"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json("{\"a\": 1", "x"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json("{} {}", "x"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json("{'a': 1}", "x"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json("[1,]", "x"));
}

TEST(ParseJson, RefusesNumbersThatJsonDoesNotHave) {
  for (const char* const number : {"NaN", "Infinity", "-Infinity", "1e400", "01", "+1", "0x10"}) {
    EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json(number, "x"));
  }
}

TEST(ParseJson, RefusesNulBytesButNotTheirEscape) {
  EXPECT_ERROR(kCorruptModel, "x: not valid JSON: byte 2 is NUL", parse_json(std::string("{}\0{", 4), "x"));
  EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json(std::string("\"a\0b\"", 5), "x"));
  EXPECT_EQ(parse_json(R"("a\u0000b")", "x"), Json(std::string("a\0b", 3)));
}

TEST(ParseJson, RefusesDuplicateKeysOfOneObjectOnly) {
  EXPECT_ERROR(kCorruptModel, "x: key 'a' appears twice", parse_json(R"({"a": 1, "b": 2, "a": 1})", "x"));
  EXPECT_ERROR(kCorruptModel, "x: key 'b' appears twice", parse_json(R"([{"a": {"b": null, "b": null}}])", "x"));
  EXPECT_EQ(parse_json(R"({"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]})", "x").size(), 2);
}

TEST(ParseJson, RefusesInvalidUtf8AndLoneSurrogates) {
  for (const char* const text : {"\"\xFF\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", R"("\ud800")", "{\"\xE9\": 1}"}) {
    EXPECT_ERROR(kCorruptModel, "not valid JSON", parse_json(text, "x"));
  }
}

TEST(ParseJson, AcceptsSixtyFourLevelsAndNoMore) {
  EXPECT_NO_THROW(static_cast<void>(parse_json(repeated("[", 64) + repeated("]", 64), "x")));
  EXPECT_ERROR(kCorruptModel, "x: nested deeper than 64 levels", parse_json(repeated("[", 65), "x"));
  EXPECT_ERROR(kCorruptModel, "nested deeper than 64 levels", parse_json(repeated("{\"a\":", 65), "x"));
  EXPECT_ERROR(kCorruptModel, "nested deeper than 64 levels", parse_json(repeated("[", 10'000'000), "x"));
  // Depth, not the number of brackets.
  EXPECT_EQ(parse_json("[" + repeated("[],", 1000) + "[]]", "x").size(), 1001);
}

TEST(ParseJson, KeepsMessagesShortAndPrintable) {
  const std::string message = mlxe::testing::message_of_error(
      ErrorCode::kCorruptModel, [] { static_cast<void>(parse_json("\"\x1B" + std::string(100'000, 'a'), "x")); });
  EXPECT_LT(message.size(), 400);
  EXPECT_EQ(message.find('\x1B'), std::string::npos);
}

TEST(LoadJson, ReadsAFileAndNamesItInErrors) {
  const ScratchFolder folder;
  folder.write("good.json", R"({"a": 1})");
  folder.write("bad.json", "{");
  EXPECT_EQ(load_json(folder.path() / "good.json"), (Json{{"a", 1}}));
  EXPECT_ERROR(kCorruptModel, (folder.path() / "bad.json").string(), load_json(folder.path() / "bad.json"));
  EXPECT_ERROR(kCorruptModel, "none.json: no such file", load_json(folder.path() / "none.json"));
}

TEST(LoadJson, RefusesAFileOfMoreThanFiftyMegabytesUnread) {
  const ScratchFolder folder;
  folder.write("big.json", "");
  std::filesystem::resize_file(folder.path() / "big.json", 50'000'001);
  EXPECT_ERROR(kCorruptModel, "big.json: it has 50000001 bytes, wanted at most 50000000",
               load_json(folder.path() / "big.json"));
}

TEST(LoadJsonIfPresent, GivesNothingOnlyIfThereIsNoFile) {
  const ScratchFolder folder;
  folder.write("good.json", "[]");
  folder.write("bad.json", "[");
  std::filesystem::create_symlink("gone", folder.path() / "link.json");
  EXPECT_EQ(load_json_if_present(folder.path() / "none.json"), std::nullopt);
  EXPECT_EQ(load_json_if_present(folder.path() / "good.json" / "below"), std::nullopt);
  EXPECT_EQ(load_json_if_present(folder.path() / "good.json"), Json::array());
  EXPECT_ERROR(kCorruptModel, "bad.json", load_json_if_present(folder.path() / "bad.json"));
  EXPECT_ERROR(kCorruptModel, "link.json", load_json_if_present(folder.path() / "link.json"));
}

JsonFields fields_of(const char* text) {
  return {parse_json(text, "config.json"), "config.json"};
}

TEST(JsonFields, WantsAnObject) {
  EXPECT_ERROR(kCorruptModel, "config.json: found an array, wanted a JSON object", fields_of("[1]"));
  EXPECT_ERROR(kCorruptModel, "config.json: found 5, wanted a JSON object", fields_of("5"));
}

TEST(JsonFields, TreatsNullAsAbsent) {
  const JsonFields fields = fields_of(R"({"null": null, "five": 5})");
  EXPECT_TRUE(fields.has("five"));
  EXPECT_FALSE(fields.has("null"));
  EXPECT_FALSE(fields.has("absent"));
  for (const char* const key : {"null", "absent"}) {
    EXPECT_EQ(fields.integer(key, 0, 9, 7), 7);
    EXPECT_EQ(fields.number(key, 0, 9, 7.5), 7.5);
    EXPECT_TRUE(fields.boolean(key, true));
    EXPECT_EQ(fields.text(key, "t"), "t");
    EXPECT_ERROR(kCorruptModel, std::string("config.json: '") + key + "' is missing", fields.integer(key, 0, 9));
    EXPECT_ERROR(kCorruptModel, "is missing", fields.number(key, 0, 9));
    EXPECT_ERROR(kCorruptModel, "is missing", fields.text(key));
    EXPECT_ERROR(kCorruptModel, "is missing", fields.at(key));
  }
  EXPECT_EQ(fields.at("five"), 5);
}

TEST(JsonFields, HoldsIntegersToTheirBounds) {
  const JsonFields fields = fields_of(
      R"({"min": 1, "max": 1048576, "below": 0, "negative": -1, "above": 1048577, "huge": 18446744073709551615,
          "low": -9223372036854775808})");
  EXPECT_EQ(fields.integer("min", 1, 1048576), 1);
  EXPECT_EQ(fields.integer("max", 1, 1048576), 1048576);
  EXPECT_EQ(fields.integer("negative", -1, 5), -1);
  EXPECT_ERROR(kCorruptModel, "config.json: 'negative' is -1, wanted an integer from 1 to 1048576",
               fields.integer("negative", 1, 1048576));
  EXPECT_ERROR(kCorruptModel, "'below' is 0,", fields.integer("below", 1, 1048576));
  EXPECT_ERROR(kCorruptModel, "'above' is 1048577,", fields.integer("above", 1, 1048576, 5));
  EXPECT_ERROR(kCorruptModel, "'huge' is 18446744073709551615,", fields.integer("huge", -5, 1048576));
  EXPECT_ERROR(kCorruptModel, "'low' is -9223372036854775808,", fields.integer("low", -5, 1048576));
  EXPECT_ERROR(kCorruptModel, "'below' is 0, wanted an integer of at least 1",
               fields.integer("below", 1, std::numeric_limits<int>::max()));
}

TEST(JsonFields, RefusesOtherTypes) {
  const JsonFields fields = fields_of(R"({"f": 12.0, "s": "12", "b": true, "a": [1], "o": {}, "i": 1})");
  for (const char* const key : {"f", "s", "b", "a", "o"}) {
    EXPECT_ERROR(kCorruptModel, "wanted an integer from 0 to 99", fields.integer(key, 0, 99));
  }
  for (const char* const key : {"s", "b", "a", "o"}) {
    EXPECT_ERROR(kCorruptModel, "wanted a number from 0 to 99", fields.number(key, 0, 99));
  }
  for (const char* const key : {"f", "s", "i", "a", "o"}) {
    EXPECT_ERROR(kCorruptModel, "wanted true or false", fields.boolean(key, false));
  }
  for (const char* const key : {"f", "b", "i", "a", "o"}) {
    EXPECT_ERROR(kCorruptModel, "wanted a string", fields.text(key));
    EXPECT_ERROR(kCorruptModel, "wanted a string", fields.text(key, "fallback"));
  }
  EXPECT_ERROR(kCorruptModel, "'a' is an array, wanted", fields.text("a"));
  EXPECT_ERROR(kCorruptModel, "'s' is \"12\", wanted", fields.integer("s", 0, 99));
}

TEST(JsonFields, HoldsNumbersToTheirBounds) {
  const JsonFields fields = fields_of(R"({"eps": 1e-12, "one": 1, "t": true, "text": "x"})");
  EXPECT_EQ(fields.number("eps", 0, 1), 1e-12);
  EXPECT_EQ(fields.number("one", 0, 1), 1.0);
  EXPECT_ERROR(kCorruptModel, "config.json: 'one' is 1, wanted a number from 0 to 0.5", fields.number("one", 0, 0.5));
  EXPECT_ERROR(kCorruptModel, "'eps' is 1e-12, wanted a number from 1e-06 to 1", fields.number("eps", 1e-6, 1, 0.5));
  EXPECT_TRUE(fields.boolean("t", false));
  EXPECT_EQ(fields.text("text"), "x");
}

}  // namespace
}  // namespace mlxe
