// UTF-8: every code point, every kind of malformed sequence, and what a message shows of hostile text.
#include "base/utf8.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

/// By arithmetic from the code point, without a look at the validator's table.
std::string encode(std::uint32_t point, int length) {
  constexpr unsigned kLeads[] = {0, 0x00, 0xC0, 0xE0, 0xF0, 0xF8};
  std::string bytes(static_cast<std::size_t>(length), '\0');
  for (int i = length - 1; i > 0; --i) {
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(0x80U | (point & 0x3FU));
    point >>= 6U;
  }
  bytes[0] = static_cast<char>(kLeads[length] | point);
  return bytes;
}

int shortest_length(std::uint32_t point) {
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

TEST(Utf8, AcceptsEveryCodePointButSurrogates) {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    ASSERT_EQ(is_valid_utf8(encode(point, shortest_length(point))), !surrogate) << std::hex << point;
  }
}

TEST(Utf8, RefusesWhatLiesAboveUnicode) {
  EXPECT_FALSE(is_valid_utf8(encode(0x110000, 4)));
  EXPECT_FALSE(is_valid_utf8(encode(0x1FFFFF, 4)));
  EXPECT_FALSE(is_valid_utf8(encode(0x200000, 5)));
}

TEST(Utf8, RefusesOverlongForms) {
  for (std::uint32_t point = 0; point < 0x10000; ++point) {
    for (int length = shortest_length(point) + 1; length <= 4; ++length) {
      ASSERT_FALSE(is_valid_utf8(encode(point, length))) << std::hex << point << " in " << length;
    }
  }
}

TEST(Utf8, RefusesSequencesThatAreCutOff) {
  for (const std::uint32_t point : {0xE9U, 0x20ACU, 0x1F600U}) {
    const std::string whole = encode(point, shortest_length(point));
    for (std::size_t kept = 1; kept < whole.size(); ++kept) {
      EXPECT_FALSE(is_valid_utf8(whole.substr(0, kept)));
      EXPECT_FALSE(is_valid_utf8(whole.substr(0, kept) + "a"));
      EXPECT_FALSE(is_valid_utf8(whole.substr(0, kept) + whole));
    }
  }
  EXPECT_FALSE(is_valid_utf8("\x80"));
}

TEST(Utf8, FindsABadByteAtAnyPlaceOfALongText) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8(std::string(40, 'a')));
  for (std::size_t place = 0; place < 40; ++place) {
    std::string text(40, 'a');
    text[place] = '\xFF';
    EXPECT_FALSE(is_valid_utf8(text)) << place;
  }
}

TEST(AsciiLower, ChangesLettersOfAsciiOnly) {
  EXPECT_EQ(ascii_lower("AZaz@[`{09-_"), "azaz@[`{09-_");
  EXPECT_EQ(ascii_lower("\xC3\x89\xFF"), "\xC3\x89\xFF");
}

TEST(Printable, KeepsOrdinaryText) {
  EXPECT_EQ(printable("h\xC3\xA9llo", 100), "h\xC3\xA9llo");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable("abcdef", 4), "abcd...");
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("ab\xF0\x9F\x98\x80z", 4), "ab...");
  EXPECT_EQ(printable("\xF0\x9F\x98\x80z", 1), "...");
}

TEST(Printable, HidesControlCharactersAndBrokenText) {
  EXPECT_EQ(printable("a\nb\x1B[31m", 100), "a?b?[31m");
  EXPECT_EQ(printable(std::string_view("a\0b", 3), 100), "a?b");
  EXPECT_EQ(printable("h\xC3\xA9 \xFF", 100), "h?? ?");
}

}  // namespace
}  // namespace mlxe
