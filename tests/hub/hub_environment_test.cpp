// The variables of Hugging Face's tools and their order.
#include "hub/hub_environment.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/expect_error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

class HubEnvironmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN",
          "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
          "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_DISABLE_SYMLINKS"}) {
      ::unsetenv(name);
    }
    root_ = fs::temp_directory_path() / ("mlxe_environment_" + std::to_string(::getpid()));
    fs::create_directories(root_);
    set("HOME", root_.string());
  }
  void TearDown() override { fs::remove_all(root_); }

  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  fs::path root_;
};

TEST_F(HubEnvironmentTest, CacheFollowsTheOrder) {
  EXPECT_EQ(hub_cache_folder(), root_ / ".cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_cache_folder(), "/xdg/huggingface/hub");
  set("HF_HOME", "/home");
  EXPECT_EQ(hub_cache_folder(), "/home/hub");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_cache_folder(), "/old");
  set("HF_HUB_CACHE", "/new");
  EXPECT_EQ(hub_cache_folder(), "/new");
  set("HF_HUB_CACHE", "~/mine");
  EXPECT_EQ(hub_cache_folder(), root_ / "mine");
}

TEST_F(HubEnvironmentTest, NoHomeMeansNoCache) {
  ::unsetenv("HOME");
  EXPECT_FALSE(hub_cache_folder());
}

TEST_F(HubEnvironmentTest, TokenFollowsTheOrder) {
  EXPECT_FALSE(read_hub_environment().token);
  write(root_ / ".cache/huggingface/token", " hf_home\n");
  EXPECT_EQ(read_hub_environment().token, "hf_home");
  write(root_ / "mine", "hf_path");
  set("HF_TOKEN_PATH", (root_ / "mine").string());
  EXPECT_EQ(read_hub_environment().token, "hf_path");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_FALSE(read_hub_environment().token);
  set("HF_TOKEN", "hf_variable");
  EXPECT_EQ(read_hub_environment().token, "hf_variable");
}

TEST_F(HubEnvironmentTest, TokenOfSeveralWordsIsRefused) {
  set("HF_TOKEN", "a\r\nX-Evil: b");
  EXPECT_ERROR(kInvalidInput, "HF_TOKEN", read_hub_environment());
}

TEST_F(HubEnvironmentTest, EndpointLosesItsSlash) {
  EXPECT_EQ(read_hub_environment().endpoint, "https://huggingface.co");
  set("HF_ENDPOINT", "http://mirror:8080/hf//");
  EXPECT_EQ(read_hub_environment().endpoint, "http://mirror:8080/hf");
  set("HF_ENDPOINT", "mirror");
  EXPECT_ERROR(kInvalidInput, "'mirror'", read_hub_environment());
}

TEST_F(HubEnvironmentTest, OfflineByEitherName) {
  EXPECT_FALSE(read_hub_environment().offline);
  set("TRANSFORMERS_OFFLINE", "yes");
  EXPECT_TRUE(read_hub_environment().offline);
  set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(read_hub_environment().offline);
  set("HF_HUB_OFFLINE", "True");
  EXPECT_TRUE(read_hub_environment().offline);
}

TEST_F(HubEnvironmentTest, TimeoutsAreSeconds) {
  using std::chrono::seconds;
  set("HF_HUB_ETAG_TIMEOUT", "3");
  set("HF_HUB_DOWNLOAD_TIMEOUT", "never");
  EXPECT_EQ(read_hub_environment().answer_timeout, seconds(3));
  EXPECT_EQ(read_hub_environment().stall_timeout, seconds(10));
}

}  // namespace
}  // namespace mlxe
