// Resolving names against folders and caches made in a temporary folder.
#include "hub/resolve.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "mlxe/error.h"
#include "mlxe/families.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(fs::absolute(path).parent_path());
  std::ofstream(path) << text;
}

// A scratch folder as working directory and HOME, so that no cache of the machine is seen.
class Resolve : public testing::Test {
 protected:
  void SetUp() override {
    start_ = fs::current_path();
    root_ = fs::temp_directory_path() / ("mlxe_resolve_" + std::to_string(::getpid()));
    fs::create_directories(root_ / "work");
    fs::current_path(root_ / "work");
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"}) {
      unsetenv(name);
    }
    setenv("HOME", root_.c_str(), 1);
    setenv("HF_HUB_OFFLINE", "1", 1);
  }

  void TearDown() override {
    fs::current_path(start_);
    fs::remove_all(root_);
  }

  // As `hf download` leaves it.
  static fs::path add_to_cache(const fs::path& cache, const std::string& folder) {
    write(cache / folder / "refs" / "main", std::string(kCommit) + "\n");
    const fs::path snapshot = cache / folder / "snapshots" / kCommit;
    write(snapshot / "config.json", "{}");
    return snapshot;
  }

  static Error error_of(const std::string& name) {
    try {
      return Error(ErrorCode::kInternal, "found " + resolve_model(name).string());
    } catch (const Error& error) {
      return error;
    }
  }

  [[nodiscard]] fs::path default_cache() const { return root_ / ".cache" / "huggingface" / "hub"; }

  fs::path start_;
  fs::path root_;
};

TEST_F(Resolve, FolderIsTakenAsItIs) {
  write("model/config.json", "{}");
  EXPECT_EQ(resolve_model("model"), "model");
}

TEST_F(Resolve, FolderWinsOverAnAlias) {
  add_to_cache(default_cache(), "models--Qwen--Qwen3-Embedding-0.6B");
  write("qwen3/config.json", "{}");
  EXPECT_EQ(resolve_model("qwen3"), "qwen3");
  EXPECT_EQ(canonical_model_name("qwen3"), "qwen3");
}

TEST_F(Resolve, FolderWithoutConfigIsCorrupt) {
  fs::create_directories("empty");
  EXPECT_EQ(error_of("empty").code(), ErrorCode::kCorruptModel);
  EXPECT_THAT(error_of("empty").what(), HasSubstr("'empty' holds no config.json, modules.json or adapter_config.json"));
}

TEST_F(Resolve, FolderOfAnAdapterAloneIsAModel) {
  write("lora/adapter_config.json", "{}");
  EXPECT_EQ(resolve_model("lora"), "lora");
}

TEST_F(Resolve, FolderWithAListOfModulesIsAModel) {
  write("static/modules.json", "[]");
  EXPECT_EQ(resolve_model("static"), "static");
}

TEST_F(Resolve, FileIsNoModel) {
  write("model.safetensors", "x");
  EXPECT_EQ(error_of("model.safetensors").code(), ErrorCode::kModelNotFound);
  EXPECT_THAT(error_of("model.safetensors").what(), HasSubstr("is a file"));
}

TEST_F(Resolve, GgufFileOrTheFolderOfOneIsAModel) {
  write("q8/model-q8.gguf", "x");
  EXPECT_EQ(resolve_model("q8/model-q8.gguf"), "q8/model-q8.gguf");
  EXPECT_EQ(resolve_model("q8"), "q8");
}

TEST_F(Resolve, GgufFileOfAFolderIsNamedBehindAColon) {
  write("several/m-Q4_0.gguf", "x");
  write("several/m-Q8_0.gguf", "x");
  write("several/model.safetensors", "x");
  EXPECT_EQ(resolve_model("several:Q4_0"), "several/m-Q4_0.gguf");
  EXPECT_EQ(resolve_model("./several:m-Q8_0.gguf"), "./several/m-Q8_0.gguf");
  EXPECT_EQ(error_of("several:Q5_0").code(), ErrorCode::kModelNotFound);
  EXPECT_THAT(error_of("several:Q5_0").what(),
              HasSubstr("'several' has no GGUF file 'Q5_0'; it has m-Q4_0.gguf, m-Q8_0.gguf"));
}

TEST_F(Resolve, FolderWithAColonInItsNameIsTakenAsItIs) {
  write("several/m-Q4_0.gguf", "x");
  write("several:Q4_0/config.json", "{}");
  EXPECT_EQ(resolve_model("several:Q4_0"), "several:Q4_0");
}

TEST_F(Resolve, EmptyNameIsInvalid) {
  EXPECT_EQ(error_of("").code(), ErrorCode::kInvalidInput);
}

TEST_F(Resolve, MissingPathIsNotLookedUpInTheCache) {
  for (const char* name : {"./no", "/no/such", "a/b/c", "~/x", "x/", "a\\b", "org/..", "org/na me",
                           "org/name:", "http://host", "C:\\x", "org/name:a/b"}) {
    EXPECT_EQ(error_of(name).code(), ErrorCode::kModelNotFound) << name;
    EXPECT_THAT(error_of(name).what(), testing::Not(HasSubstr("cache"))) << name;
  }
}

TEST_F(Resolve, RepositoryIsFoundInTheDefaultCache) {
  const fs::path snapshot = add_to_cache(default_cache(), "models--org--name");
  EXPECT_EQ(resolve_model("org/name"), snapshot);
}

TEST_F(Resolve, AliasIsFoundInTheCache) {
  const fs::path snapshot = add_to_cache(default_cache(), "models--Qwen--Qwen3-Embedding-0.6B");
  EXPECT_EQ(resolve_model("Qwen3"), snapshot);
}

TEST_F(Resolve, BareNameIsTriedUnderSentenceTransformers) {
  const fs::path snapshot = add_to_cache(default_cache(), "models--sentence-transformers--some-model");
  EXPECT_EQ(resolve_model("some-model"), snapshot);
}

TEST_F(Resolve, BareNameIsTriedAsItIsFirst) {
  add_to_cache(default_cache(), "models--sentence-transformers--some-model");
  const fs::path snapshot = add_to_cache(default_cache(), "models--some-model");
  EXPECT_EQ(resolve_model("some-model"), snapshot);
}

TEST_F(Resolve, CacheVariablesAreReadInHuggingFacesOrder) {
  const fs::path xdg = add_to_cache(root_ / "xdg" / "huggingface" / "hub", "models--org--name");
  const fs::path home = add_to_cache(root_ / "home" / "hub", "models--org--name");
  const fs::path cache = add_to_cache(root_ / "cache", "models--org--name");
  setenv("XDG_CACHE_HOME", (root_ / "xdg").c_str(), 1);
  EXPECT_EQ(resolve_model("org/name"), xdg);
  setenv("HF_HOME", (root_ / "home").c_str(), 1);
  EXPECT_EQ(resolve_model("org/name"), home);
  setenv("HF_HUB_CACHE", (root_ / "cache").c_str(), 1);
  EXPECT_EQ(resolve_model("org/name"), cache);
}

TEST_F(Resolve, UnknownModelSaysWhereItLookedAndTheNearestName) {
  const Error error = error_of("qwen3-embeding");
  EXPECT_EQ(error.code(), ErrorCode::kModelNotFound);
  EXPECT_THAT(error.what(), HasSubstr((default_cache() / "models--qwen3-embeding").string()));
  EXPECT_THAT(error.what(), HasSubstr("did you mean 'qwen3-embedding'?"));
}

TEST_F(Resolve, KnownModelThatIsNotDownloadedSuggestsNothing) {
  EXPECT_THAT(error_of("Qwen/Qwen3-Embedding-0.6B").what(), testing::Not(HasSubstr("did you mean")));
}

TEST_F(Resolve, SnapshotWithoutConfigIsCorrupt) {
  fs::remove(add_to_cache(default_cache(), "models--org--name") / "config.json");
  EXPECT_EQ(error_of("org/name").code(), ErrorCode::kCorruptModel);
}

TEST_F(Resolve, ReferenceCannotLeaveTheCache) {
  add_to_cache(default_cache(), "models--org--name");
  write(default_cache() / "models--org--name" / "refs" / "main", "../../../../../work");
  write("config.json", "{}");
  EXPECT_EQ(error_of("org/name").code(), ErrorCode::kModelNotFound);
}

TEST_F(Resolve, ReferenceToAMissingSnapshotIsNotFound) {
  add_to_cache(default_cache(), "models--org--name");
  fs::remove_all(default_cache() / "models--org--name" / "snapshots");
  EXPECT_EQ(error_of("org/name").code(), ErrorCode::kModelNotFound);
}

}  // namespace
}  // namespace mlxe
