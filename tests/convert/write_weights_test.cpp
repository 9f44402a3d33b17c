// Streaming weights into files: the same tensors whatever the limits, shards that follow their index.
#include "convert/write_weights.h"

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/checkpoint_files.h"
#include "weights/safetensors_bytes.h"

namespace mlxe {
namespace {

using testing::ListedTensor;
using testing::ScratchFolder;

std::string floats(std::size_t count, float first = 0.0F) {
  std::string bytes(count * sizeof(float), '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const float value = first + static_cast<float>(static_cast<int>(i * 7919 % 1009)) * 0.01F - 5.0F;
    std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
  }
  return bytes;
}

/// Weights that take more than one piece (1 Mi elements), some small ones, and integers.
std::vector<ListedTensor> tensors() {
  return {{"big.weight", "F32", "[1100, 1024]", floats(1100 * 1024)},
          {"empty", "F32", "[0, 64]", ""},
          {"ids", "I64", "[3]", std::string(24, '\1')},
          {"norm.bias", "F32", "[65]", floats(65)},
          {"small.weight", "F32", "[2, 64]", floats(128, 1.0F)}};
}

ConversionPlan plan_of(const ScratchFolder& scratch, bool quantize) {
  scratch.write("in/model.safetensors", testing::safetensors_bytes(tensors()));
  PlanOptions options{.dtype = DType::kFloat16, .quantize = {}, .dequantize = false};
  if (quantize) {
    options.quantize = [](std::string_view) { return std::optional(QuantizationFormat{}); };
  }
  return plan_conversion(read_checkpoint(scratch.path() / "in"), {}, options);
}

std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> found;
  for (const auto& [name, stored] : read_checkpoint(folder)) {
    found[name] =
        stored.dtype + std::string(reinterpret_cast<const char*>(stored.tensor.data), data_bytes(stored.tensor));
  }
  return found;
}

TEST(WriteWeights, GivesTheSameTensorsInOneFileOrMany) {
  const ScratchFolder scratch;
  const ConversionPlan plan = plan_of(scratch, true);
  std::filesystem::create_directory(scratch.path() / "one");
  std::filesystem::create_directory(scratch.path() / "many");
  const WrittenWeights one = write_weights(plan, scratch.path() / "one", {.threads = 1});
  const WrittenWeights many = write_weights(plan, scratch.path() / "many", {.max_shard_bytes = 200, .threads = 3});
  ASSERT_EQ(one.files.size(), 1U);
  EXPECT_EQ(one.files[0].name, "model.safetensors");
  ASSERT_EQ(many.files.size(), 3U);  // the big one; integers and bias; the small one
  EXPECT_EQ(many.files[2].name, "model-00003-of-00003.safetensors");
  EXPECT_EQ(contents(scratch.path() / "one"), contents(scratch.path() / "many"));
  const Json index = load_json(scratch.path() / "many" / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], one.tensor_bytes);
  EXPECT_EQ(index["weight_map"]["big.biases"], "model-00001-of-00003.safetensors");
  EXPECT_EQ(index["weight_map"].size(), 9U);
  EXPECT_EQ(one.tensor_bytes, many.tensor_bytes);
  EXPECT_EQ(one.layers.size(), 2U);
}

TEST(WriteWeights, NamesTheHashAndSizeOfEachFile) {
  const ScratchFolder scratch;
  std::filesystem::create_directory(scratch.path() / "out");
  const WrittenWeights written = write_weights(plan_of(scratch, false), scratch.path() / "out", {.threads = 2});
  const MappedFile file(scratch.path() / "out" / "model.safetensors");
  EXPECT_EQ(written.files[0].bytes, file.bytes().size());
  EXPECT_EQ(written.files[0].sha256, sha256_hex(file.bytes()));
  EXPECT_TRUE(written.layers.empty());
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  EXPECT_NE(text.find(R"("__metadata__":{"format":"mlx"})"), std::string_view::npos);
}

TEST(WriteWeights, CanBeStopped) {
  const ScratchFolder scratch;
  const ConversionPlan plan = plan_of(scratch, true);
  WriteOptions options;
  options.on_progress = [](std::size_t) { throw Error(ErrorCode::kCancelled, "stop"); };
  EXPECT_ERROR(kCancelled, "stop", write_weights(plan, scratch.path(), options));
  EXPECT_FALSE(std::filesystem::exists(scratch.path() / "model.safetensors"));
}

TEST(WriteWeights, RefusesWhatHasNoCodes) {
  const ScratchFolder scratch;
  std::string values = floats(64);
  const float infinity = 1e30F;  // infinite as float16
  std::memcpy(values.data() + 20, &infinity, sizeof(infinity));
  scratch.write("model.safetensors", testing::safetensors_bytes({{"a.weight", "F32", "[1, 64]", values}}));
  const auto checkpoint = read_checkpoint(scratch.path());
  std::filesystem::create_directory(scratch.path() / "out");
  const PlanOptions options{.dtype = DType::kFloat16,
                            .quantize = [](std::string_view) { return std::optional(QuantizationFormat{}); },
                            .dequantize = false};
  EXPECT_ERROR(kInvalidInput, "weight 'a.weight' holds infinity",
               write_weights(plan_conversion(checkpoint, {}, options), scratch.path() / "out", {}));
  const WrittenWeights cast =
      write_weights(plan_conversion(checkpoint, {}, {.dtype = DType::kFloat16}), scratch.path() / "out", {});
  EXPECT_EQ(cast.overflowing, std::vector<std::string>{"a.weight"});
}

}  // namespace
}  // namespace mlxe
