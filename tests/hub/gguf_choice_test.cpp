// Which GGUF file of several is taken, and what is said if none is.
#include "hub/gguf_choice.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace mlxe {
namespace {

std::optional<std::string> choose(const std::vector<std::string>& names, std::optional<std::string> choice = {}) {
  return choose_gguf(names, choice, "'org/name'");
}

const std::vector<std::string> kFiles = {"m-f16.gguf",  "m-Q4_K.gguf",     "m-Q4_K_M.gguf",
                                         "m-Q8_0.gguf", "mmproj-f16.gguf", "notes.txt"};

TEST(GgufChoice, IsAFilesName) {
  EXPECT_EQ(choose(kFiles, "m-Q4_K.gguf"), "m-Q4_K.gguf");
}

TEST(GgufChoice, IsAQuantisationInAnyCase) {
  EXPECT_EQ(choose(kFiles, "q4_k_m"), "m-Q4_K_M.gguf");
  EXPECT_EQ(choose(kFiles, "Q4_K"), "m-Q4_K.gguf");
  EXPECT_EQ(choose(kFiles, "F16"), "m-f16.gguf");
  EXPECT_EQ(choose({"m.Q5_0.gguf", "m_q4_0.gguf", "m.i1-Q2_K.gguf"}, "Q4_0"), "m_q4_0.gguf");
  EXPECT_EQ(choose({"m.Q5_0.gguf", "m_q4_0.gguf", "m.i1-Q2_K.gguf"}, "Q2_K"), "m.i1-Q2_K.gguf");
}

TEST(GgufChoice, OfNoFileIsAnErrorWithTheList) {
  EXPECT_ERROR(kModelNotFound,
               "'org/name' has no GGUF file 'Q5_K_M'; it has m-Q4_K.gguf, m-Q4_K_M.gguf, m-Q8_0.gguf, m-f16.gguf",
               choose(kFiles, "Q5_K_M"));
  EXPECT_ERROR(kModelNotFound, "has no GGUF file '4_K'", choose(kFiles, "4_K"));
  EXPECT_ERROR(kModelNotFound, "has no GGUF file 'mmproj-f16.gguf'", choose(kFiles, "mmproj-f16.gguf"));
  EXPECT_ERROR(kModelNotFound, "has no GGUF file 'Q8_0', nor any other", choose({"model.safetensors"}, "Q8_0"));
}

TEST(GgufChoice, OfSeveralFilesIsAnErrorWithTheList) {
  EXPECT_ERROR(kModelNotFound,
               "2 GGUF files that 'Q8_0' may mean: a-Q8_0.gguf, b-Q8_0.gguf; name one of them behind a colon, as in "
               "NAME:a-Q8_0.gguf",
               choose({"b-Q8_0.gguf", "a-Q8_0.gguf", "a-F16.gguf"}, "Q8_0"));
}

TEST(GgufChoice, UnaskedIsTheOnlyFileOrThatOfEightBitsOrTheNearest) {
  EXPECT_EQ(choose({"m.gguf"}), "m.gguf");
  EXPECT_EQ(choose(kFiles), "m-Q8_0.gguf");
  EXPECT_EQ(choose({"m-Q4_K_M.gguf", "m-bf16.gguf", "m-f16.gguf"}), "m-f16.gguf");
  EXPECT_EQ(choose({"m-Q4_K_M.gguf", "m-Q5_K_M.gguf"}), "m-Q5_K_M.gguf");
  EXPECT_EQ(choose({"mmproj-f16.gguf"}), std::nullopt);
}

TEST(GgufChoice, UnaskedIsAnErrorIfTheNamesTellNothing) {
  EXPECT_ERROR(kModelNotFound, "'org/name' has 2 GGUF files: large.gguf, small.gguf; name one of them behind a colon",
               choose({"small.gguf", "large.gguf"}));
  EXPECT_ERROR(kModelNotFound, "has 2 GGUF files: a-Q8_0.gguf, b-Q8_0.gguf", choose({"a-Q8_0.gguf", "b-Q8_0.gguf"}));
}

TEST(GgufChoice, IsAPlainWord) {
  for (const char* choice : {"Q4_K_M", "model-q4.gguf", "8"}) {
    EXPECT_TRUE(is_gguf_choice(choice)) << choice;
  }
  for (const char* choice : {"", "//host", "..", ".x", "a/b", "a\\b", "a b", "a:b", "a\n"}) {
    EXPECT_FALSE(is_gguf_choice(choice)) << choice;
  }
  EXPECT_FALSE(is_gguf_choice(std::string(256, 'a')));
}

}  // namespace
}  // namespace mlxe
