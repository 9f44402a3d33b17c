// What is written around the weights, and that a folder appears complete or not at all.
#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scratch_folder.h"
#include "convert/config_file.h"
#include "convert/model_card.h"
#include "convert/model_files.h"
#include "convert/staged_folder.h"
#include "mlxe/error.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;
using testing::ScratchFolder;

constexpr QuantizationFormat kFour{QuantizationMode::kAffine, 4, 64};
constexpr QuantizationFormat kEight{QuantizationMode::kAffine, 8, 64};

TEST(ConfigFile, NotesTheCommonestFormatAndWhatDiffers) {
  const auto note = note_of({{"small", kEight, 10}, {"large", kFour, 100}});
  const Json config =
      converted_config(parse_json(R"({"b": 1, "a": 2, "_name_or_path": "/home/x"})", "x"), note, false, true);
  EXPECT_EQ(config.dump(),
            R"({"a":2,"b":1,"quantization":{"bits":4,"group_size":64,"mode":"affine",)"
            R"("small":{"bits":8,"group_size":64,"mode":"affine"}},"quantization_config":)"
            R"({"bits":4,"group_size":64,"mode":"affine","small":{"bits":8,"group_size":64,"mode":"affine"}}})");
}

TEST(ConfigFile, TakesQuantizationAwayUnlessTheWeightsKeepIt) {
  const Json config =
      parse_json(R"({"quantization": {"bits": 4}, "text_config": {"quantization_config": {"bits": 4}}})", "x");
  EXPECT_EQ(converted_config(config, std::nullopt, false, true).dump(), R"({"text_config":{}})");
  EXPECT_EQ(converted_config(config, std::nullopt, true, true), config);
}

TEST(ConfigFile, SaysWhetherVisionWasSkipped) {
  const Json config = parse_json(R"({"vision_config": {}})", "x");
  EXPECT_EQ(converted_config(config, note_of({{"a", kFour, 1}}), false, true)["vision_config"]["skip_vision"], true);
  EXPECT_EQ(converted_config(config, std::nullopt, false, true)["vision_config"].dump(), "{}");
}

std::string card_of(const std::string& source_card) {
  return model_card_text({.source = "org/name",
                          .from_hub = true,
                          .name = "name-4bit",
                          .command = "mlx_embeddings convert -q",
                          .description = "4-bit affine, groups of 64",
                          .files = {{"model.safetensors", 2'000'000, "abc"}}},
                         source_card);
}

TEST(ModelCard, KeepsTheSourcesFieldsAndAddsItsOwn) {
  const std::string card = card_of("---\nlicense: mit\ntags:\n  - a\nlibrary_name: transformers\n---\n# Old\n");
  EXPECT_TRUE(
      card.starts_with("---\nlicense: mit\ntags:\n  - mlx\n  - a\nlibrary_name: mlx\nbase_model: org/name\n---\n"))
      << card;
  EXPECT_NE(card.find("mlx_embeddings convert -q"), std::string::npos);
  EXPECT_NE(card.find("| model.safetensors | 2 MB | `abc` |"), std::string::npos);
  EXPECT_EQ(card.find("# Old"), std::string::npos);
}

TEST(ModelCard, FindsTagsInEveryStyle) {
  EXPECT_NE(card_of("---\ntags: [a]\n---\n").find("tags: [mlx, a]\n"), std::string::npos);
  EXPECT_NE(card_of("---\ntags: []\n---\n").find("tags: [mlx]\n"), std::string::npos);
  EXPECT_NE(card_of("---\r\ntags:\r\n- mlx\r\n---\r\n").find("tags:\n- mlx\nlibrary_name"), std::string::npos);
  EXPECT_NE(card_of("no front matter").find("---\nlibrary_name: mlx\nbase_model: org/name\ntags:\n- mlx\n---"),
            std::string::npos);
}

TEST(ModelFiles, TakesConfigurationAndLeavesOtherWeights) {
  const ScratchFolder scratch;
  for (const char* name :
       {"config.json", "tokenizer.json", "vocab.txt", "spiece.model", "chat_template.jinja", "LICENSE.md", "README.md",
        "pytorch_model.bin", "model.safetensors", "model.safetensors.index.json", "sparse_linear.safetensors",
        ".gitattributes", "onnx/config.json", "1_Pooling/config.json", "2_Dense/config.json",
        "2_Dense/model.safetensors"}) {
    scratch.write(name, "x");
  }
  const ModelFiles files = find_model_files(scratch.path());
  EXPECT_EQ(files.copied, (std::vector<fs::path>{"1_Pooling/config.json", "2_Dense/config.json", "LICENSE.md",
                                                 "chat_template.jinja", "config.json", "sparse_linear.safetensors",
                                                 "spiece.model", "tokenizer.json", "vocab.txt"}));
  EXPECT_EQ(files.weighted, (std::vector<fs::path>{"", "2_Dense"}));
  EXPECT_EQ(files.copied_bytes, 9U);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(StagedFolder, AppearsOnlyWhenPublished) {
  const ScratchFolder scratch;
  {
    StagedFolder staged(scratch.path() / "deep" / "out/", false);
    write_text(staged.folder() / "a", "1");
    EXPECT_FALSE(fs::exists(scratch.path() / "deep" / "out"));
  }
  EXPECT_TRUE(names_in(scratch.path() / "deep").empty());  // not published: nothing is left
  StagedFolder staged(scratch.path() / "deep" / "out/", false);
  write_text(staged.folder() / "a", "1");
  staged.publish();
  EXPECT_EQ(names_in(scratch.path() / "deep"), std::vector<std::string>{"out"});
  EXPECT_EQ(names_in(scratch.path() / "deep" / "out"), std::vector<std::string>{"a"});
}

TEST(StagedFolder, ReplacesAModelOnlyIfAsked) {
  const ScratchFolder scratch;
  scratch.write("out/config.json", "old");
  EXPECT_ERROR(kInvalidInput, "is there already", StagedFolder(scratch.path() / "out", false));
  StagedFolder staged(scratch.path() / "out", true);
  write_text(staged.folder() / "config.json", "new");
  staged.publish();
  EXPECT_EQ(names_in(scratch.path()), std::vector<std::string>{"out"});
  std::string text;
  std::ifstream(scratch.path() / "out" / "config.json") >> text;
  EXPECT_EQ(text, "new");
}

TEST(StagedFolder, NeverReplacesWhatIsNoModel) {
  const ScratchFolder scratch;
  scratch.write("home/letters.txt", "dear");
  scratch.write("file", "x");
  EXPECT_ERROR(kInvalidInput, "holds no model", StagedFolder(scratch.path() / "home", true));
  EXPECT_ERROR(kInvalidInput, "is no folder", StagedFolder(scratch.path() / "file", true));
  EXPECT_ERROR(kInvalidInput, "is empty", StagedFolder("", true));
  fs::create_directory(scratch.path() / "empty");
  StagedFolder staged(scratch.path() / "empty", false);  // as `mkdir` made it
  staged.publish();
  EXPECT_EQ(names_in(scratch.path()), (std::vector<std::string>{"empty", "file", "home"}));
}

/// A process of its own that publishes a model as soon as `go` is set: staged folders are named after their process.
pid_t publish_at(const fs::path& path, std::atomic<int>& ready, const std::atomic<bool>& go) {
  const pid_t child = ::fork();
  if (child != 0) {
    return child;
  }
  int code = 1;
  try {
    StagedFolder staged(path, false);
    write_text(staged.folder() / "config.json", "{}");
    ++ready;
    while (!go.load()) {
    }
    staged.publish();
    code = 0;
  } catch (const Error& error) {
    code = std::string_view(error.what()).find("is there already") != std::string_view::npos ? 2 : 3;
  }
  ::_exit(code);
}

TEST(StagedFolder, OnlyOneOfTwoPublishesWhoeverIsFaster) {
  struct Start {
    std::atomic<int> ready{0};
    std::atomic<bool> go{false};
  };
  void* memory = ::mmap(nullptr, sizeof(Start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  for (int round = 0; round < 200; ++round) {
    const ScratchFolder scratch;
    auto* start = new (memory) Start;
    const std::array children = {publish_at(scratch.path() / "out", start->ready, start->go),
                                 publish_at(scratch.path() / "out", start->ready, start->go)};
    while (start->ready.load() < 2) {
    }
    start->go = true;
    std::vector<int> codes;
    for (const pid_t child : children) {
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      codes.push_back(WEXITSTATUS(status));
    }
    std::ranges::sort(codes);
    ASSERT_EQ(codes, (std::vector<int>{0, 2})) << "round " << round;
    ASSERT_EQ(names_in(scratch.path()), std::vector<std::string>{"out"});
  }
  ::munmap(memory, sizeof(Start));
}

TEST(RequireSpace, SaysHowMuchIsMissing) {
  EXPECT_ERROR(kIo, "the converted model needs", require_space("/tmp", std::size_t{1} << 60U));
  require_space("/tmp", 1);
}

}  // namespace
}  // namespace mlxe
