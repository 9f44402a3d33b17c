// The nearest name: typing errors find it, other words do not.
#include "base/nearest.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

const std::vector<std::string> kNames = {"bert", "roberta", "xlm-roberta", "distilbert", "qwen3"};

TEST(NearestName, FindsTypingErrors) {
  EXPECT_EQ(nearest_name("brt", kNames), "bert");    // left out
  EXPECT_EQ(nearest_name("berrt", kNames), "bert");  // doubled
  EXPECT_EQ(nearest_name("bort", kNames), "bert");   // wrong
  EXPECT_EQ(nearest_name("bret", kNames), "bert");   // swapped: one error, not two
  EXPECT_EQ(nearest_name("xml-robreta", kNames), "xlm-roberta");
  EXPECT_EQ(nearest_name("bert", kNames), "bert");
}

TEST(NearestName, PrefersTheLeastDistance) {
  const std::vector<std::string> names = {"abcdeX", "abcdef", "abcdXX"};
  EXPECT_EQ(nearest_name("abcdef!", names), "abcdef");
}

TEST(NearestName, AllowsAThirdOfTheLengthAndAtLeastOneError) {
  EXPECT_EQ(nearest_name("abcdXX", std::vector<std::string>{"abcdef"}), "abcdef");
  EXPECT_EQ(nearest_name("abcXXX", std::vector<std::string>{"abcdef"}), std::nullopt);
  EXPECT_EQ(nearest_name("ab", std::vector<std::string>{"aX"}), "aX");
  EXPECT_EQ(nearest_name("ab", std::vector<std::string>{"XY"}), std::nullopt);
}

TEST(NearestName, GivesNothingForNoCandidatesOrAHugeName) {
  EXPECT_EQ(nearest_name("bert", {}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(10'000'000, 'x'), kNames), std::nullopt);
}

}  // namespace
}  // namespace mlxe
