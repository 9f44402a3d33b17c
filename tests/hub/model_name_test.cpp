// Names of models, revisions and files: what they mean and which are refused.
#include "hub/model_name.h"

#include <string>

#include <gtest/gtest.h>

namespace mlxe {
namespace {

TEST(ModelName, RevisionStandsBehindAt) {
  const ModelName name = parse_model_name("org/name@v1.0");
  EXPECT_EQ(name.repository, "org/name");
  EXPECT_EQ(name.revision, "v1.0");
  EXPECT_FALSE(parse_model_name("org/name").revision);
}

TEST(ModelName, GgufFileStandsBehindAColon) {
  const ModelName name = parse_model_name("hf://org/name:Q4_K_M@v1");
  EXPECT_EQ(name.repository, "org/name");
  EXPECT_EQ(name.gguf, "Q4_K_M");
  EXPECT_EQ(name.revision, "v1");
  EXPECT_FALSE(parse_model_name("org/name@v1").gguf);
}

TEST(ModelName, HubAddressesAreNames) {
  EXPECT_EQ(parse_model_name("hf://org/name").repository, "org/name");
  EXPECT_EQ(parse_model_name("hf://models/org/name").repository, "org/name");
  EXPECT_EQ(parse_model_name("hf://models/name").repository, "models/name");
  EXPECT_EQ(parse_model_name("hf://org/name@refs/pr/1").revision, "refs/pr/1");
}

TEST(ModelName, OnlyPlainWordsAreRepositories) {
  for (const char* name : {"org/name", "name", "BAAI/bge-small-en-v1.5", "a_b/c.d"}) {
    EXPECT_TRUE(is_repository_name(name)) << name;
  }
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "..", "a/..", "../a", ".a/b", "a..b", "a b", "a--b", "a\\b",
                           "a/b\n", "a:b", "\xc3\xa4/b"}) {
    EXPECT_FALSE(is_repository_name(name)) << name;
  }
  EXPECT_FALSE(is_repository_name(std::string(201, 'a')));
}

TEST(ModelName, RevisionsArePathsBelowRefs) {
  for (const char* name : {"main", "v1.0", "refs/pr/12", "feature/x_y", "0123456789abcdef0123456789abcdef01234567"}) {
    EXPECT_TRUE(is_revision(name)) << name;
  }
  for (const char* name : {"", "..", "a/../b", "/a", "a/", "a//b", ".a", "a..b", "-x", "a\\b", "a b", "a\n"}) {
    EXPECT_FALSE(is_revision(name)) << name;
  }
}

TEST(ModelName, CommitHasFortyDigits) {
  EXPECT_TRUE(is_commit("0123456789abcdef0123456789ABCDEF01234567"));
  EXPECT_FALSE(is_commit("0123456789abcdef0123456789abcdef0123456"));
  EXPECT_FALSE(is_commit("g123456789abcdef0123456789abcdef01234567"));
}

TEST(ModelName, FilesStayBelowTheirFolder) {
  for (const char* name : {"config.json", "1_Pooling/config.json", "a/b/c.d", "..a", "a..b", ".gitattributes"}) {
    EXPECT_TRUE(is_safe_file_name(name)) << name;
  }
  for (const char* name :
       {"",     "..",          ".",     "../x", "a/../b", "a/..",  "/etc/passwd", "a//b", "a/",   "C:\\x", "C:x",
        "c:/x", "\\\\host\\x", "..\\x", "a\\b", "a\nb",   "a\x7f", "a ",          "a.",   "a./b", "a/./b"}) {
    EXPECT_FALSE(is_safe_file_name(name)) << name;
  }
  EXPECT_FALSE(is_safe_file_name(std::string(256, 'a')));
  EXPECT_FALSE(is_safe_file_name(std::string("a\0b", 3)));
}

TEST(ModelName, CandidatesOfABareName) {
  EXPECT_EQ(candidate_repositories("x"), (std::vector<std::string>{"x", "sentence-transformers/x"}));
  EXPECT_EQ(candidate_repositories("org/x"), std::vector<std::string>{"org/x"});
  EXPECT_EQ(candidate_repositories("MiniLM"), std::vector<std::string>{"sentence-transformers/all-MiniLM-L6-v2"});
}

}  // namespace
}  // namespace mlxe
