// Finding a folder's weights: one file, shards, neither, or another format.
#include "weights/checkpoint_files.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/safetensors_bytes.h"

namespace mlxe {
namespace {

using mlxe::testing::safetensors_bytes;
using mlxe::testing::ScratchFolder;
using mlxe::testing::zeros;

constexpr const char* kIndex = "model.safetensors.index.json";

/// Two shards of one tensor each, and their index.
void write_two_shards(const ScratchFolder& folder) {
  folder.write("model-1.safetensors", safetensors_bytes({zeros("a", {1})}));
  folder.write("model-2.safetensors", safetensors_bytes({zeros("b", {2})}));
  folder.write(kIndex, R"({"metadata": {"total_size": 12},
                           "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})");
}

TEST(Checkpoint, ReadsTheOneFile) {
  const ScratchFolder folder;
  folder.write("2_Dense/model.safetensors", safetensors_bytes({zeros("linear.weight", {2, 3})}));
  EXPECT_EQ(read_checkpoint(folder.path() / "2_Dense").at("linear.weight").tensor.shape, (Shape{2, 3}));
}

TEST(Checkpoint, ReadsAllShards) {
  const ScratchFolder folder;
  write_two_shards(folder);
  const auto tensors = read_checkpoint(folder.path());
  ASSERT_EQ(tensors.size(), 2);
  EXPECT_EQ(tensors.at("a").tensor.shape, Shape{1});
  EXPECT_EQ(tensors.at("b").tensor.shape, Shape{2});
}

TEST(Checkpoint, PrefersTheOneFileAsTransformersDoes) {
  const ScratchFolder folder;
  write_two_shards(folder);
  folder.write("model.safetensors", safetensors_bytes({zeros("c", {3})}));
  EXPECT_TRUE(read_checkpoint(folder.path()).contains("c"));
}

TEST(Checkpoint, FollowsLinksOutOfTheFolder) {  // the Hugging Face cache consists of them
  const ScratchFolder folder;
  folder.write("blobs/0123", safetensors_bytes({zeros("a", {1})}));
  folder.write("snapshot/config.json", "{}");
  std::filesystem::create_symlink("../blobs/0123", folder.path() / "snapshot/model.safetensors");
  EXPECT_TRUE(read_checkpoint(folder.path() / "snapshot").contains("a"));
}

TEST(Checkpoint, NamesALinkWhoseTargetIsGone) {
  const ScratchFolder folder;
  std::filesystem::create_symlink("../blobs/gone", folder.path() / "model.safetensors");
  EXPECT_ERROR(kCorruptModel, "model.safetensors: no such file", read_checkpoint(folder.path()));
}

TEST(Checkpoint, ListsAllMissingShards) {
  const ScratchFolder folder;
  folder.write("model-2.safetensors", safetensors_bytes({zeros("b", {2})}));
  folder.write(kIndex, R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors",
                                          "c": "model-3.safetensors", "d": "model-1.safetensors"}})");
  EXPECT_ERROR(kCorruptModel, "2 of 3 shards are missing: model-1.safetensors, model-3.safetensors",
               read_checkpoint(folder.path()));
}

TEST(Checkpoint, WantsEachTensorInTheShardThatTheIndexNames) {
  const ScratchFolder folder;
  write_two_shards(folder);
  folder.write(kIndex, R"({"weight_map": {"a": "model-2.safetensors", "b": "model-2.safetensors"}})");
  EXPECT_ERROR(kCorruptModel, "tensor 'a' is put into model-2.safetensors, which does not have it",
               read_checkpoint(folder.path()));
}

TEST(Checkpoint, RefusesATensorInTwoShards) {
  const ScratchFolder folder;
  write_two_shards(folder);
  folder.write("model-2.safetensors", safetensors_bytes({zeros("b", {2}), zeros("a", {1})}));
  EXPECT_ERROR(kCorruptModel, "tensor 'a' is in both model-1.safetensors and model-2.safetensors",
               read_checkpoint(folder.path()));
}

TEST(Checkpoint, RefusesABrokenIndex) {
  const ScratchFolder folder;
  folder.write(kIndex, "{}");
  EXPECT_ERROR(kCorruptModel, "model.safetensors.index.json: 'weight_map' is missing", read_checkpoint(folder.path()));
  folder.write(kIndex, R"({"weight_map": ["a"]})");
  EXPECT_ERROR(kCorruptModel, "'weight_map': found an array, wanted a JSON object", read_checkpoint(folder.path()));
  folder.write(kIndex, R"({"weight_map": {"a": 1}})");
  EXPECT_ERROR(kCorruptModel, "'weight_map': 'a' is 1, wanted a string", read_checkpoint(folder.path()));
  folder.write(kIndex, R"({"weight_map": {}})");
  EXPECT_ERROR(kCorruptModel, "'weight_map' names no tensors", read_checkpoint(folder.path()));
}

TEST(Checkpoint, RefusesShardsOutsideTheFolderEvenIfTheyExist) {
  const ScratchFolder folder;
  folder.write("x.safetensors", safetensors_bytes({zeros("a", {1})}));
  folder.write(std::string("model/") + kIndex, R"({"weight_map": {"a": "../x.safetensors"}})");
  EXPECT_ERROR(kCorruptModel, "tensor 'a' is put into '../x.safetensors', wanted a plain file name",
               read_checkpoint(folder.path() / "model"));
}

TEST(ShardName, IsPlainAndEndsInSafetensors) {
  EXPECT_TRUE(is_safe_shard_name("model-00001-of-00002.safetensors"));
  EXPECT_TRUE(is_safe_shard_name("mod\xC3\xA8le.safetensors"));
  using std::string_view_literals::operator""sv;
  for (const std::string_view name :
       {"../../x.safetensors"sv, "/etc/x.safetensors"sv, "C:\\x.safetensors"sv, "C:x.safetensors"sv,
        "\\\\host\\x.safetensors"sv, "..\\x.safetensors"sv, "a/b.safetensors"sv, "a..safetensors"sv, ".."sv, ""sv,
        ".safetensors"sv, "x\0.safetensors"sv, "x\n.safetensors"sv, "model.bin"sv, "x.safetensors.exe"sv,
        "x.SAFETENSORS"sv}) {
    EXPECT_FALSE(is_safe_shard_name(name)) << name;
  }
  EXPECT_FALSE(is_safe_shard_name(std::string(250, 'x') + ".safetensors"));
}

TEST(Checkpoint, SaysThatThereAreNoWeights) {
  const ScratchFolder folder;
  folder.write("config.json", "{}");
  folder.write("training_args.bin", "");
  EXPECT_ERROR(kCorruptModel, folder.path().string() + " has no weights, wanted model.safetensors or",
               read_checkpoint(folder.path()));
  EXPECT_ERROR(kCorruptModel, "has no weights", read_checkpoint(folder.path() / "none"));
}

TEST(Checkpoint, ExplainsPickledWeightsAndHowToConvertThem) {
  const ScratchFolder folder;
  folder.write("pytorch_model-1.bin", "");
  folder.write("pytorch_model-2.bin", "");
  folder.write("training_args.bin", "");
  folder.write("$(touch hacked).bin", "");  // never into a command that users copy
  const std::string message = mlxe::testing::message_of_error(
      ErrorCode::kUnsupported, [&] { static_cast<void>(read_checkpoint(folder.path())); });
  EXPECT_THAT(message,
              ::testing::HasSubstr("has its weights only as pytorch_model-1.bin, pytorch_model-2.bin: pickled"));
  EXPECT_THAT(message, ::testing::HasSubstr("for f in ['pytorch_model-1.bin', 'pytorch_model-2.bin'] for k, v"));
  EXPECT_THAT(message, ::testing::HasSubstr("weights_only=True"));
  EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("hacked")));
}

TEST(Checkpoint, NamesWeightsInOtherFormats) {
  const ScratchFolder folder;
  folder.write("weights.gguf", "");
  EXPECT_ERROR(kUnsupported, "has weights only as weights.gguf, wanted model.safetensors",
               read_checkpoint(folder.path()));
}

}  // namespace
}  // namespace mlxe
