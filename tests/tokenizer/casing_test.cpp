// Lower-casing before tokenisation: goldens of Python's `tokenizers` with a Lowercase normalizer put first.
#include "tokenizer/tokenizer_fixtures.h"

namespace mlxe {
namespace {

using namespace testing_tokenizer;

Ids encode(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(std::span(&text, 1)).front().ids;
}

TEST(TokenizerCasing, LowerCasesCharacterByCharacterButKeepsSpecialTokens) {
  const Tokenizer tokenizer(fixture("bpe") / "tokenizer.json", Casing::kLower);
  // No final sigma, and the dotted I becomes two characters: this is the library's lower-casing, not str.lower().
  EXPECT_EQ(encode(tokenizer, "HELLO ΣΑΣ, İSTANBUL <|end|> The"),
            (Ids{73, 307, 77,  80,  222, 141, 227, 140, 111, 141, 227, 13,  222,
                 74, 138, 231, 333, 66,  79,  67,  86,  77,  222, 0,   260, 0}));
}

TEST(TokenizerCasing, KeepsTheCaseUnlessAskedTo) {
  const Tokenizer tokenizer(fixture("bpe") / "tokenizer.json");
  EXPECT_NE(encode(tokenizer, "HELLO"), encode(tokenizer, "hello"));
}

}  // namespace
}  // namespace mlxe
