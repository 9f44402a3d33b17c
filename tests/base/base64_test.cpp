// Tests of base64: the vectors of RFC 4648, and bytes of every kind.
#include "base/base64.h"

#include <string>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

TEST(Base64, GivesTheVectorsOfTheStandard) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foob"), "Zm9vYg==");
  EXPECT_EQ(base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, TakesEveryByte) {
  EXPECT_EQ(base64(std::string("\0\xFF\xFE", 3)), "AP/+");
  EXPECT_EQ(base64(std::string(1, '\0')), "AA==");
}

}  // namespace
}  // namespace mlxe
