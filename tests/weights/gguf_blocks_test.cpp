// ggml's block types: the numbers of ggml, and what llama.cpp's converter changed put back.
#include "weights/gguf_blocks.h"

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/gguf_bytes.h"
#include "weights/integer_weight.h"
#include "weights/quantized.h"

namespace mlxe {
namespace {

using mlxe::testing::GgufBytes;
using mlxe::testing::ScratchFolder;

HostTensor made(const StoredTensor& stored) {
  return stored.decode ? stored.decode() : stored.tensor;
}

std::vector<float> elements_of(const HostTensor& weight) {
  return floats_of(weight.quantization != nullptr ? expand(weight) : weight);
}

/// A file of one tensor [6, 2] of F32: 0, 1, 2, ...
GgufFile counting_file(const ScratchFolder& folder) {
  GgufBytes bytes;
  bytes.tensor("t", {2, 6}, 0);
  for (int i = 0; i < 12; ++i) {
    bytes.data(static_cast<float>(i));
  }
  folder.write("m.gguf", bytes.str());
  return GgufFile(folder.path() / "m.gguf");
}

/// blocks.gguf is made by tools/fixtures/gguf.py.
TEST(GgufBlocks, GiveTheBitsOfGgml) {
  const GgufFile file("tests/fixtures/gguf/blocks.gguf");
  int cases = 0;
  for (const auto& [name, tensor] : file.tensors()) {
    if (name.ends_with(".expected")) {
      continue;
    }
    ++cases;
    const StoredTensor stored = stored_tensor(file, name);
    EXPECT_EQ(stored.dtype, name);
    const HostTensor weight = made(stored);
    EXPECT_EQ(weight.shape, (Shape{3, 256}));
    const bool is_float = name == "F16" || name == "BF16";
    const bool has_groups_of_16 = name == "Q2_K" || name == "Q3_K" || name == "Q6_K";
    EXPECT_EQ(weight.quantization != nullptr, !is_float && !has_groups_of_16) << name;
    const std::vector<float> actual = elements_of(weight);
    const std::vector<float> wanted = floats_of(stored_tensor(file, name + ".expected").tensor);
    ASSERT_EQ(actual.size(), wanted.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      // Adding 0 makes one of both zeros, whose sign a bias loses.
      ASSERT_EQ(std::bit_cast<std::uint32_t>(actual[i] + 0.0F), std::bit_cast<std::uint32_t>(wanted[i] + 0.0F))
          << name << " at " << i << ": " << actual[i] << ", wanted " << wanted[i];
    }
  }
  EXPECT_EQ(cases, 12);
}

TEST(GgufBlocks, KeepScalesOfSixteenBitsWhereTheyFit) {
  const GgufFile file("tests/fixtures/gguf/blocks.gguf");
  EXPECT_EQ(made(stored_tensor(file, "Q8_0")).quantization->scales.dtype, DType::kFloat16);
  EXPECT_EQ(made(stored_tensor(file, "Q4_0")).quantization->biases->dtype, DType::kFloat16);
  EXPECT_EQ(made(stored_tensor(file, "Q4_K")).quantization->scales.dtype, DType::kFloat32);  // a product of 17 bits
}

TEST(GgufBlocks, PutHalvesOfHeadsApart) {
  const ScratchFolder folder;
  const GgufFile file = counting_file(folder);
  // One head of six rows: 0, 2 and 4 are its first half.
  EXPECT_THAT(elements_of(made(stored_tensor(file, "t", {.heads_taken_apart = 1}))),
              ::testing::ElementsAre(0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11));
  EXPECT_THAT(elements_of(made(stored_tensor(file, "t", {.heads_taken_apart = 3}))),
              ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_ERROR(kCorruptModel, "tensor 't' has shape [6, 2] of F32, wanted rows of 2 heads of even size",
               stored_tensor(file, "t", {.heads_taken_apart = 2}));
}

TEST(GgufBlocks, PutRowsInFrontAndSubtract) {
  const ScratchFolder folder;
  const GgufFile file = counting_file(folder);
  const StoredTensor more = stored_tensor(file, "t", {.rows_in_front = 2});
  EXPECT_EQ(more.tensor.shape, (Shape{8, 2}));
  EXPECT_THAT(elements_of(made(more)), ::testing::ElementsAre(0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_EQ(elements_of(made(stored_tensor(file, "t", {.subtracted = 1.0F})))[0], -1.0F);
}

TEST(GgufBlocks, RefuseTypesThatAreNotRead) {
  const ScratchFolder folder;
  GgufBytes bytes;
  bytes.tensor("t", {32, 1}, 20).data(std::string(18, '\0'));
  folder.write("m.gguf", bytes.str());
  const GgufFile file(folder.path() / "m.gguf");
  EXPECT_ERROR(kUnsupported, "tensor 't' has type IQ4_NL, wanted one of F32, F16,", stored_tensor(file, "t"));
}

}  // namespace
}  // namespace mlxe
