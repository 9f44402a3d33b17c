// The rules of the GGUF format, each broken once; what is whole is read as it is.
#include "weights/gguf_file.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gmock/gmock.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/gguf_bytes.h"

namespace mlxe {
namespace {

using mlxe::testing::GgufBytes;
using mlxe::testing::ScratchFolder;

constexpr std::uint32_t kF32 = 0;

GgufFile read(const std::string& bytes) {
  const ScratchFolder folder;  // gone when this returns: the mapping outlives it
  folder.write("m.gguf", bytes);
  return GgufFile(folder.path() / "m.gguf");
}

/// A file with metadata of each kind and two tensors.
GgufBytes whole() {
  GgufBytes bytes;
  bytes.text("name", "tiny").integer("count", 7).number("eps", 0.5F);
  bytes.value("flag", 7, std::string(1, '\1'));
  bytes.texts("words", {"a", "", "\xC3\xA9"});
  bytes.tensor("a", {3, 2}, kF32).data(std::string(24, 'x'));
  bytes.tensor("b", {32}, 8).data(std::string(34, 'y'));
  return bytes;
}

TEST(GgufFile, ReadsMetadataAndTensors) {
  const GgufFile file = read(whole().str());
  EXPECT_EQ(file.text("name"), "tiny");
  EXPECT_EQ(file.integer("count"), 7);
  EXPECT_EQ(file.number("eps"), 0.5);
  EXPECT_EQ(file.number("count"), 7.0);
  EXPECT_EQ(file.boolean("flag"), true);
  EXPECT_THAT(*file.texts("words"), ::testing::ElementsAre("a", "", "\xC3\xA9"));
  EXPECT_EQ(file.text("absent"), std::nullopt);
  EXPECT_EQ(file.integers("absent"), nullptr);
  EXPECT_EQ(file.tensors().at("a").shape, (Shape{2, 3}));
  EXPECT_EQ(file.tensors().at("b").type->name, "Q8_0");
  EXPECT_EQ(std::to_integer<char>(file.tensors().at("b").data[33]), 'y');
}

TEST(GgufFile, NamesAKeyOfAnotherType) {
  const GgufFile file = read(whole().str());
  EXPECT_ERROR(kCorruptModel, "m.gguf: 'name' is no integer", file.integer("name"));
  EXPECT_ERROR(kCorruptModel, "'count' is no text", file.text("count"));
  EXPECT_ERROR(kCorruptModel, "'eps' is no truth value", file.boolean("eps"));
  EXPECT_ERROR(kCorruptModel, "'words' is no list of numbers", file.numbers("words"));
  EXPECT_ERROR(kCorruptModel, "'eps' is no finite number",
               read(GgufBytes().number("eps", std::numeric_limits<float>::infinity()).str()).number("eps"));
}

TEST(GgufFile, SaysWhatElseAFileIs) {
  EXPECT_ERROR(kCorruptModel, "does not start with 'GGUF'", read("PK\x03\x04"));
  EXPECT_ERROR(kCorruptModel, "does not start with 'GGUF'", read(""));
  EXPECT_ERROR(kCorruptModel, "git-LFS pointer", read("version https://git-lfs.github.com/spec/v1\n"));
  EXPECT_ERROR(kCorruptModel, "no such file", GgufFile("absent.gguf"));
}

TEST(GgufFile, RefusesVersions) {
  GgufBytes bytes = whole();
  bytes.version = 1;
  EXPECT_ERROR(kUnsupported, "it has version 1, wanted 2 or 3", read(bytes.str()));
  bytes.version = 0x03000000;
  EXPECT_ERROR(kUnsupported, "big-endian", read(bytes.str()));
  bytes.version = 2;
  EXPECT_NO_THROW(read(bytes.str()));
}

/// Wherever a file ends early, that is said, and nothing behind its end is read.
TEST(GgufFile, RefusesEveryLengthButItsOwn) {
  const std::string bytes = whole().str();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(read(bytes.substr(0, size)), Error) << size;
  }
  EXPECT_NO_THROW(read(bytes + std::string(30, '\0')));  // up to the next multiple of the alignment
  EXPECT_ERROR(kCorruptModel, "31 bytes follow the last tensor, wanted none", read(bytes + std::string(31, '\0')));
}

TEST(GgufFile, RefusesCountsThatCannotBe) {
  GgufBytes bytes = whole();
  bytes.num_tensors = std::uint64_t{1} << 62U;
  EXPECT_ERROR(kCorruptModel, "it announces 4611686018427387904 tensors", read(bytes.str()));
  bytes.num_tensors = 3;
  EXPECT_THROW(read(bytes.str()), Error);
  bytes.num_tensors = 2;
  bytes.num_values = 0xFFFFFFFFFFFFFFFFU;
  EXPECT_ERROR(kCorruptModel, "18446744073709551615 metadata, wanted at most", read(bytes.str()));
}

TEST(GgufFile, RefusesTextsAndListsBeyondTheFile) {
  EXPECT_ERROR(kCorruptModel, "'k' wants 18446744073709551615 bytes",
               read(GgufBytes().value("k", 8, GgufBytes::bytes_of(std::uint64_t{0} - 1)).str()));
  const auto list = [](std::uint32_t type, std::uint64_t count) {
    return GgufBytes().value("k", 9, GgufBytes::bytes_of(type) + GgufBytes::bytes_of(count)).str();
  };
  EXPECT_ERROR(kCorruptModel, "'k' announces 4611686018427387904 values", read(list(4, std::uint64_t{1} << 62U)));
  EXPECT_ERROR(kCorruptModel, "'k' announces 1 values, but only 0 bytes follow", read(list(0, 1)));
  EXPECT_ERROR(kCorruptModel, "'k' is a list of lists", read(list(9, 1)));
  EXPECT_ERROR(kCorruptModel, "'k' is a list of type 77", read(list(77, 1)));
  EXPECT_ERROR(kCorruptModel, "'k' has type 13, which the format", read(GgufBytes().value("k", 13, "").str()));
  EXPECT_ERROR(kCorruptModel, "'k' is 2, wanted a truth value", read(GgufBytes().value("k", 7, "\2").str()));
  EXPECT_ERROR(kCorruptModel, "'k' is 18446744073709551615, wanted at most",
               read(GgufBytes().value("k", 10, GgufBytes::bytes_of(std::uint64_t{0} - 1)).str()));
}

TEST(GgufFile, RefusesKeysAndNames) {
  EXPECT_ERROR(kCorruptModel, "'k' is there twice", read(GgufBytes().integer("k", 1).integer("k", 2).str()));
  EXPECT_ERROR(kCorruptModel, "key 0 of the metadata is empty", read(GgufBytes().integer("", 1).str()));
  EXPECT_ERROR(kCorruptModel, "key 0 of the metadata is no UTF-8", read(GgufBytes().integer("\xFF", 1).str()));
  EXPECT_ERROR(kCorruptModel, "a key has 1025 bytes", read(GgufBytes().integer(std::string(1025, 'k'), 1).str()));
  const auto twice = GgufBytes().tensor("t", {1}, kF32).data("1234").tensor("t", {1}, kF32).data("1234");
  EXPECT_ERROR(kCorruptModel, "tensor 't' is there twice", read(twice.str()));
  EXPECT_ERROR(kCorruptModel, "its name is no UTF-8",
               read(GgufBytes().tensor("\xC0\x80", {1}, kF32).data("1234").str()));
}

TEST(GgufFile, RefusesShapes) {
  const auto with = [](const std::vector<std::uint64_t>& dimensions, std::uint32_t type = kF32) {
    return read(GgufBytes().tensor("t", dimensions, type).data(std::string(64, '\0')).str());
  };
  EXPECT_ERROR(kCorruptModel, "tensor 't': it has 0 dimensions, wanted 1 to 4", with({}));
  EXPECT_ERROR(kCorruptModel, "it has 5 dimensions", with({1, 1, 1, 1, 1}));
  EXPECT_ERROR(kCorruptModel, "a dimension is 0, wanted 1 to 2147483647", with({0}));
  EXPECT_ERROR(kCorruptModel, "a dimension is 18446744073709551615", with({std::uint64_t{0} - 1}));
  const std::uint64_t large = std::uint64_t{1} << 30U;
  EXPECT_ERROR(kCorruptModel, "overflow the count of its elements", with({large, large, large}));
  EXPECT_ERROR(kCorruptModel, "overflows the count of its bytes", with({large, large, 8}));
  EXPECT_ERROR(kCorruptModel, "wants bytes 0 to 4294967296, the file has", with({large}));
  EXPECT_ERROR(kCorruptModel, "its rows have 33 elements, wanted whole blocks of 32 (Q4_0)", with({33}, 2));
  EXPECT_ERROR(kCorruptModel, "its rows have 128 elements, wanted whole blocks of 256 (Q4_K)", with({128}, 12));
  for (const std::uint32_t unknown : {4U, 5U, 31U, 36U, 999U, 0xFFFFFFFFU}) {
    EXPECT_ERROR(kUnsupported, "is unknown to this version", with({32}, unknown));
  }
}

TEST(GgufFile, RefusesOffsets) {
  const auto second_at = [](std::uint64_t offset) {
    return read(GgufBytes()
                    .tensor("a", {8}, kF32)
                    .data(std::string(32, '\0'))
                    .tensor_at("b", {8}, kF32, offset)
                    .data(std::string(64, '\0'))
                    .str());
  };
  EXPECT_ERROR(kCorruptModel, "tensor 'b': its data start at byte 64, wanted 32: there is a hole", second_at(64));
  EXPECT_ERROR(kCorruptModel, "'b': its data start at byte 16, wanted 32: it overlaps another", second_at(16));
  EXPECT_ERROR(kCorruptModel, "there is a hole", second_at(std::uint64_t{0} - 32));
}

TEST(GgufFile, RefusesAlignments) {
  for (const std::uint32_t alignment : {0U, 3U, 48U, 1U << 21U}) {
    EXPECT_ERROR(kCorruptModel, "'general.alignment' is",
                 read(GgufBytes().integer("general.alignment", alignment).str()));
  }
  EXPECT_ERROR(kCorruptModel, "'general.alignment' is no integer",
               read(GgufBytes().text("general.alignment", "32").str()));
  EXPECT_NO_THROW(read(GgufBytes().integer("general.alignment", 64).str()));
}

}  // namespace
}  // namespace mlxe
