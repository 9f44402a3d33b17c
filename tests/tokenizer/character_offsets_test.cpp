// Offsets in characters from offsets in bytes.
#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

TEST(CharacterOffsets, CountsCodePoints) {
  // a, e with an accent (2 bytes), a face (4 bytes), b
  const std::string_view text =
      "a\xC3\xA9\xF0\x9F\x98\x80"
      "b";
  const Offsets bytes = {{0, 1}, {1, 3}, {3, 7}, {7, 8}, {0, 8}, {0, 0}, {8, 8}};
  EXPECT_EQ(offsets_in_characters(text, bytes), (Offsets{{0, 1}, {1, 2}, {2, 3}, {3, 4}, {0, 4}, {0, 0}, {4, 4}}));
}

TEST(CharacterOffsets, TokenOfSomeBytesGetsTheWholeCharacter) {
  const std::string_view text = "a\xF0\x9F\x98\x80";
  const Offsets bytes = {{1, 3}, {3, 5}, {2, 3}, {0, 2}};
  EXPECT_EQ(offsets_in_characters(text, bytes), (Offsets{{1, 2}, {1, 2}, {1, 2}, {0, 2}}));
}

TEST(WholeCharacters, TakeInTheBytesOnBothSides) {
  const std::string_view text = "a\xF0\x9F\x98\x80z";
  EXPECT_EQ(whole_characters(text, {1, 5}), (TokenOffsets{1, 5}));
  EXPECT_EQ(whole_characters(text, {2, 3}), (TokenOffsets{1, 5}));
  EXPECT_EQ(whole_characters(text, {0, 2}), (TokenOffsets{0, 5}));
  EXPECT_EQ(whole_characters(text, {4, 6}), (TokenOffsets{1, 6}));
  EXPECT_EQ(whole_characters(text, {3, 3}), (TokenOffsets{3, 3}));
}

TEST(CharacterOffsets, EmptyTextHasOnlyEmptyTokens) {
  const Offsets bytes = {{0, 0}};
  EXPECT_EQ(offsets_in_characters("", bytes), bytes);
  EXPECT_TRUE(offsets_in_characters("", {}).empty());
}

TEST(CharacterOffsets, OffsetBeyondTheTextIsAnError) {
  for (const Offsets& bytes : {Offsets{{0, 4}}, Offsets{{-1, 2}}, Offsets{{4, 4}}}) {
    EXPECT_EQ(error_of([&] { (void)offsets_in_characters("abc", bytes); }).code(), ErrorCode::kInvalidInput);
  }
}

}  // namespace
}  // namespace mlxe
