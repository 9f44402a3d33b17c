// The table of families: what aliases stand for.
#include "hub/families.h"

#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

TEST(Families, AliasStandsForTheFamilysDefaultModel) {
  EXPECT_EQ(repository_of_alias("qwen3"), "Qwen/Qwen3-Embedding-0.6B");
  EXPECT_EQ(repository_of_alias("qwen3_vl"), "Qwen/Qwen3-VL-Embedding-2B");
}

TEST(Families, AliasIsMatchedWithoutRegardToCase) {
  EXPECT_EQ(repository_of_alias("QWEN3-Embedding"), "Qwen/Qwen3-Embedding-0.6B");
}

TEST(Families, ShortNameOfAVariantStandsForItsRepository) {
  EXPECT_EQ(repository_of_alias("all-MiniLM-L12-v2"), "sentence-transformers/all-MiniLM-L12-v2");
}

TEST(Families, UnknownNameStandsForNothing) {
  EXPECT_EQ(repository_of_alias("qwen33"), std::nullopt);
  EXPECT_EQ(repository_of_alias(""), std::nullopt);
}

TEST(Families, NoAliasBelongsToTwoFamilies) {
  std::set<std::string> seen;
  for (const ModelFamily& family : model_families()) {
    for (const std::string& alias : family.aliases) {
      EXPECT_TRUE(seen.insert(alias).second) << alias;
    }
  }
}

TEST(Families, DefaultModelIsOneOfTheVariants) {
  for (const ModelFamily& family : model_families()) {
    EXPECT_EQ(std::count(family.variants.begin(), family.variants.end(), family.default_model), 1) << family.name;
  }
}

TEST(Families, AreSortedByName) {
  EXPECT_TRUE(std::is_sorted(model_families().begin(), model_families().end(),
                             [](const ModelFamily& a, const ModelFamily& b) { return a.name < b.name; }));
}

TEST(Families, CanonicalNameOfAnUnknownNameIsItself) {
  EXPECT_EQ(canonical_model_name("org/other"), "org/other");
}

}  // namespace
}  // namespace mlxe
