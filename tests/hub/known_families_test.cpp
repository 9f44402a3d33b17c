// Families: a repository's name, wherever it stands, leads to what its card says.
#include "hub/known_families.h"

#include <string>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

std::string query_of(const std::filesystem::path& path, std::string_view base = "") {
  const auto family = find_known_family(path, base);
  return family && family->prompts.contains("query") ? family->prompts.at("query") : "(none)";
}

TEST(KnownFamilies, TheCacheFoldersRepositoryCounts) {
  const auto family = find_known_family("/h/hub/models--intfloat--e5-small-v2/snapshots/0123abc", "");
  ASSERT_TRUE(family.has_value());
  EXPECT_EQ(family->pooling, "mean");
  EXPECT_EQ(family->prompts, (std::map<std::string, std::string>{{"query", "query: "}, {"document", "passage: "}}));
}

TEST(KnownFamilies, TheRepositoryOfAGgufFileCounts) {
  EXPECT_EQ(query_of("/hub/models--intfloat--e5-small-v2-GGUF/snapshots/0123abc/model-q8_0.gguf"), "query: ");
}

TEST(KnownFamilies, AFolderOfThatNameCounts) {
  EXPECT_EQ(query_of("models/BGE-small-en-v1.5"), "Represent this sentence for searching relevant passages: ");
  EXPECT_EQ(query_of("models/bge-small-en-v1.5/"), "Represent this sentence for searching relevant passages: ");
  EXPECT_EQ(query_of("models/e5-collection/something"), "(none)");
}

TEST(KnownFamilies, TheConfigurationsOwnNameCounts) {
  EXPECT_EQ(query_of("/data/m", "Qwen/Qwen3-Embedding-0.6B"),
            "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:");
  EXPECT_FALSE(find_known_family("/data/m", "bert-base-uncased").has_value());
  EXPECT_FALSE(find_known_family("/data/m", "").has_value());
}

TEST(KnownFamilies, ExceptionsComeBeforeTheirFamily) {
  EXPECT_EQ(find_known_family("e5-mistral-7b-instruct", "")->pooling, "lasttoken");
  EXPECT_EQ(query_of("snowflake-arctic-embed-m-v2.0"), "query: ");
  EXPECT_EQ(query_of("snowflake-arctic-embed-m"), "Represent this sentence for searching relevant passages: ");
  EXPECT_EQ(find_known_family("gte-base-en-v1.5", "")->pooling, "cls");
  EXPECT_EQ(find_known_family("gte-base", "")->pooling, "mean");
  EXPECT_EQ(query_of("bge-m3"), "(none)");
  EXPECT_EQ(query_of("bge-large-zh-v1.5"), "为这个句子生成表示以用于检索相关文章：");
}

TEST(KnownFamilies, AnInstructionOfTheUsersOwnIsNotMadeUp) {
  EXPECT_EQ(query_of("llama-embed-nemotron-8b"), "(none)");
  EXPECT_EQ(find_known_family("llama-embed-nemotron-8b", "")->pooling, "mean");
  EXPECT_EQ(query_of("Linq-Embed-Mistral"), "(none)");
  EXPECT_EQ(find_known_family("Linq-Embed-Mistral", "")->pooling, "lasttoken");
  EXPECT_EQ(query_of("llama-nemotron-embed-1b-v2"), "query: ");
}

TEST(KnownFamilies, DecodersPoolTheLastToken) {
  EXPECT_EQ(pooling_of_architecture("qwen3"), "lasttoken");
  EXPECT_EQ(pooling_of_architecture("bert"), "");
}

}  // namespace

}  // namespace mlxe
