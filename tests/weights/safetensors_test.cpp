// The ten rules of the safetensors format, each broken once, and files that people have in its place.
#include "weights/safetensors.h"

#include <cstring>
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

/// Reads a file of these bytes.
std::map<std::string, StoredTensor> read(std::string_view bytes) {
  const ScratchFolder folder;
  folder.write("x.safetensors", bytes);
  return read_safetensors(folder.path() / "x.safetensors");
}

std::map<std::string, StoredTensor> read(std::string_view header, std::string_view data) {
  return read(safetensors_bytes(header, data));
}

/// The header of one tensor 't'.
std::string one_tensor(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return fmt::format(R"({{"t": {{"dtype": "{}", "shape": {}, "data_offsets": {}}}}})", dtype, shape, offsets);
}

TEST(Safetensors, GivesNamesTypesShapesAndBytes) {
  const auto tensors = read(R"({"__metadata__": {"format": "pt"},
      "b": {"dtype": "F32", "shape": [2, 1], "data_offsets": [3, 11]},
      "a": {"data_offsets": [0, 3], "shape": [3], "dtype": "U8", "ignored": true},
      "scalar": {"dtype": "BF16", "shape": [], "data_offsets": [11, 13]},
      "none": {"dtype": "F16", "shape": [0, 7], "data_offsets": [11, 11]}}   )",
                            std::string("abc\0\0\x80\x3F\0\0\0\xC0\x40\x40", 13));
  ASSERT_EQ(tensors.size(), 4);
  const HostTensor& b = tensors.at("b").tensor;
  EXPECT_EQ(b.dtype, DType::kFloat32);
  EXPECT_EQ(b.shape, (Shape{2, 1}));
  float values[2];
  std::memcpy(values, b.data, sizeof(values));  // at an odd byte: the format aligns nothing
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_EQ(values[1], -2.0F);
  EXPECT_EQ(std::memcmp(tensors.at("a").tensor.data, "abc", 3), 0);
  EXPECT_EQ(tensors.at("a").tensor.dtype, DType::kUInt8);
  EXPECT_TRUE(tensors.at("scalar").tensor.shape.empty());
  EXPECT_EQ(tensors.at("scalar").tensor.dtype, DType::kBFloat16);
  EXPECT_EQ(tensors.at("none").tensor.shape, (Shape{0, 7}));
  EXPECT_TRUE(tensors.at("none").tensor.has_data());
}

TEST(Safetensors, AcceptsAFileWithoutTensors) {
  EXPECT_TRUE(read("{}", "").empty());
}

TEST(Safetensors, KeepsTheMappingAliveAsLongAsATensor) {
  HostTensor tensor;
  {
    auto tensors = read(one_tensor("U8", "[2]", "[0, 2]"), "hi");
    tensor = tensors.at("t").tensor;
  }
  EXPECT_EQ(std::memcmp(tensor.data, "hi", 2), 0);
}

TEST(Safetensors, KnowsTheWidthOfEveryTypeOfTheFormat) {
  const std::pair<const char*, std::size_t> bits_of[] = {
      {"BOOL", 8},    {"U8", 8},      {"I8", 8},          {"I16", 16},       {"U16", 16},    {"F16", 16},
      {"BF16", 16},   {"I32", 32},    {"U32", 32},        {"F32", 32},       {"I64", 64},    {"U64", 64},
      {"F64", 64},    {"C64", 64},    {"F8_E4M3", 8},     {"F8_E5M2", 8},    {"F8_E8M0", 8}, {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}};
  for (const auto& [dtype, bits] : bits_of) {
    const std::size_t bytes = 4 * bits / 8;
    const auto tensors = read(one_tensor(dtype, "[4]", fmt::format("[0, {}]", bytes)), std::string(bytes, '\0'));
    EXPECT_EQ(tensors.at("t").dtype, dtype);
    EXPECT_ERROR(kCorruptModel, "hold 0 bytes", read(one_tensor(dtype, "[4]", "[0, 0]"), ""));
  }
}

TEST(Safetensors, ListsTypesThatDTypeHasNoWordForWithTheirBytes) {
  const StoredTensor stored = read(one_tensor("F8_E4M3", "[2]", "[0, 2]"), "ab").at("t");
  EXPECT_FALSE(stored.supported);
  EXPECT_EQ(stored.dtype, "F8_E4M3");
  EXPECT_EQ(stored.tensor.shape, Shape{2});
  ASSERT_TRUE(stored.tensor.has_data());
  EXPECT_EQ(std::to_integer<char>(stored.tensor.data[1]), 'b');
}

TEST(Safetensors, NamesAFileThatIsNotThere) {
  const ScratchFolder folder;
  EXPECT_ERROR(kCorruptModel, (folder.path() / "none.safetensors").string() + ": no such file",
               read_safetensors(folder.path() / "none.safetensors"));
  EXPECT_ERROR(kCorruptModel, "it is no regular file", read_safetensors(folder.path()));
}

// Rule 1: at least the eight bytes of the header's length.
TEST(SafetensorsRules, FileHasALength) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: it has 0 bytes, wanted at least the 8", read(""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: it has 7 bytes, wanted at least the 8", read("1234567"));
}

// Rule 2: the header is at most 100 MB and lies in the file.
TEST(SafetensorsRules, HeaderLiesInTheFile) {
  const std::string whole = safetensors_bytes("{}", "");
  EXPECT_ERROR(kCorruptModel, "x.safetensors: its header announces 2 bytes, but only 1 follow",
               read(std::string_view(whole).substr(0, 9)));
  EXPECT_ERROR(kCorruptModel, "announces 100000001 bytes, wanted at most 100000000",
               read(std::string("\x01\xE1\xF5\x05\0\0\0\0{}", 10)));
  EXPECT_ERROR(kCorruptModel, "announces 100000000 bytes, but only 2 follow",
               read(std::string("\x00\xE1\xF5\x05\0\0\0\0{}", 10)));
  // 2^64 - 1: eight more would wrap round to 7.
  EXPECT_ERROR(kCorruptModel, "announces 18446744073709551615 bytes, wanted at most",
               read(std::string(8, '\xFF') + "{}"));
}

// Rule 3: the header is strict JSON and starts with '{'.
TEST(SafetensorsRules, HeaderIsStrictJson) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: its header does not start with '{'", read(" {}", ""));
  EXPECT_ERROR(kCorruptModel, "its header does not start with '{'", read("[]", ""));
  EXPECT_ERROR(kCorruptModel, "its header does not start with '{'", read("", ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: header: not valid JSON", read("{", ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: header: not valid JSON", read("{\"\xFF\": 1}", ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: header: not valid JSON", read(std::string("{}\0", 3), ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: header: nested deeper", read("{\"a\":" + std::string(100'000, '['), ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: header: key 't' appears twice",
               read(R"({"t": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                        "t": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
                    "a"));
}

// Rule 4: metadata are strings.
TEST(SafetensorsRules, MetadataAreStrings) {
  EXPECT_TRUE(read(R"({"__metadata__": null})", "").empty());  // as libmlx writes "none"
  EXPECT_ERROR(kCorruptModel, "x.safetensors: '__metadata__' holds 'a', which is no string",
               read(R"({"__metadata__": {"a": 1}})", ""));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: '__metadata__' is no object", read(R"({"__metadata__": []})", ""));
}

// Rule 5: the type is one of the format's.
TEST(SafetensorsRules, TypeIsKnown) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: tensor 't': dtype 'F33' is unknown",
               read(one_tensor("F33", "[1]", "[0, 4]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "dtype 'f32' is unknown", read(one_tensor("f32", "[1]", "[0, 4]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "tensor 't': 'dtype' is missing",
               read(R"({"t": {"shape": [1], "data_offsets": [0, 1]}})", "a"));
  EXPECT_ERROR(kCorruptModel, "tensor 't': its description is no JSON object", read(R"({"t": 5})", ""));
}

// Rule 6: dimensions are non-negative integers, and the bytes can be counted.
TEST(SafetensorsRules, ShapeCanBeCounted) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: tensor 't': 'shape' holds -1, wanted integers of at least 0",
               read(one_tensor("U8", "[-1]", "[0, 1]"), "a"));
  EXPECT_ERROR(kCorruptModel, "'shape' holds 1.0,", read(one_tensor("U8", "[1.0]", "[0, 1]"), "a"));
  EXPECT_ERROR(kCorruptModel, "'shape' holds \"1\",", read(one_tensor("U8", "[\"1\"]", "[0, 1]"), "a"));
  EXPECT_ERROR(kCorruptModel, "'shape' holds a structure,", read(one_tensor("U8", "[[1]]", "[0, 1]"), "a"));
  EXPECT_ERROR(kCorruptModel, "'shape' is missing or no list", read(one_tensor("U8", "1", "[0, 1]"), "a"));
  EXPECT_ERROR(kCorruptModel, "shape [2147483648] has a dimension above 2147483647",
               read(one_tensor("U8", "[2147483648]", "[0, 1]"), "a"));
  // 2^64 bytes would wrap round to 0.
  EXPECT_ERROR(kCorruptModel, "tensor 't': shape [1073741824, 1073741824, 4] of F32 overflows",
               read(one_tensor("F32", "[1073741824, 1073741824, 4]", "[0, 0]"), ""));
  EXPECT_ERROR(kCorruptModel, "shape [3] of F4 does not fill whole bytes",
               read(one_tensor("F4", "[3]", "[0, 1]"), "a"));
}

// Rule 7: a range begins before it ends, inside the data.
TEST(SafetensorsRules, RangeLiesInTheData) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: tensor 't': data_offsets [0, 5] lie outside the 4 bytes of data",
               read(one_tensor("U8", "[5]", "[0, 5]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "data_offsets [4, 0] lie outside", read(one_tensor("U8", "[4]", "[4, 0]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "data_offsets [18446744073709551612, 0] lie outside",
               read(one_tensor("U8", "[4]", "[18446744073709551612, 0]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "'data_offsets' has 3 numbers, wanted 2",
               read(one_tensor("U8", "[4]", "[0, 4, 4]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "'data_offsets' holds -4,", read(one_tensor("U8", "[4]", "[-4, 0]"), "abcd"));
}

// Rule 8: a range holds exactly the bytes of its shape and type.
TEST(SafetensorsRules, RangeHasTheShapesBytes) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: tensor 't': data_offsets [0, 4] hold 4 bytes, but shape [2] of F32 has 8",
               read(one_tensor("F32", "[2]", "[0, 4]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "hold 4 bytes, but shape [] of U8 has 1", read(one_tensor("U8", "[]", "[0, 4]"), "abcd"));
}

std::string two_tensors(std::string_view first, std::string_view second) {
  return fmt::format(R"({{"s": {{"dtype": "U8", "shape": [2], "data_offsets": {}}},
                          "t": {{"dtype": "U8", "shape": [2], "data_offsets": {}}}}})",
                     first, second);
}

// Rule 9: the ranges follow each other and cover all data.
TEST(SafetensorsRules, RangesCoverTheData) {
  EXPECT_NO_THROW(read(two_tensors("[2, 4]", "[0, 2]"), "abcd"));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: tensor 't': its data start at byte 3, wanted 2: there is a hole",
               read(two_tensors("[0, 2]", "[3, 5]"), "abcde"));
  EXPECT_ERROR(kCorruptModel, "tensor 't': its data start at byte 1, wanted 2: it overlaps another tensor",
               read(two_tensors("[0, 2]", "[1, 3]"), "abc"));
  EXPECT_ERROR(kCorruptModel, "tensor 't': its data start at byte 0, wanted 2: it overlaps",
               read(two_tensors("[0, 2]", "[0, 2]"), "ab"));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: 1 bytes follow the last tensor",
               read(two_tensors("[0, 2]", "[2, 4]"), "abcde"));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: 1 bytes follow the last tensor", read("{}", "a"));
}

// Rule 10: caps on the number of tensors, the length of a name and the rank.
TEST(SafetensorsRules, CountsAreBounded) {
  std::string many = "{";
  for (int i = 0; i <= 200'000; ++i) {
    many += fmt::format("{}\"{}\":0", i == 0 ? "" : ",", i);
  }
  EXPECT_ERROR(kCorruptModel, "x.safetensors: it has 200001 tensors, wanted at most 200000", read(many + "}", ""));
  const std::string name(1025, 'n');
  const std::string header = fmt::format(R"({{"{}": {{"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}}})", name);
  EXPECT_ERROR(kCorruptModel, "nnn...': its name has 1025 bytes, wanted at most 1024", read(header, ""));
  EXPECT_ERROR(kCorruptModel, "tensor 't': it has 17 dimensions, wanted at most 16",
               read(one_tensor("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0, 1]"), "a"));
}

TEST(SafetensorsRules, MessagesHoldNoControlCharacters) {
  EXPECT_ERROR(kCorruptModel, "tensor 'a?b': its description", read(R"({"a\u001bb": 1})", ""));
}

/// Reads all that a file gives, if it gives anything, so that a view outside the mapping would show (under ASan).
bool is_read(std::string_view bytes) {
  try {
    unsigned sum = 0;
    for (const auto& [name, stored] : read(bytes)) {
      for (std::size_t i = 0; i < num_elements(stored.tensor.shape) * size_bytes(stored.tensor.dtype); ++i) {
        sum += std::to_integer<unsigned>(stored.tensor.data[i]);
      }
    }
    static_cast<void>(sum);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(ErrorCode::kCorruptModel)) << error.what();
    return false;
  }
}

TEST(Safetensors, RefusesTheFileCutAnywhere) {
  const std::string whole = safetensors_bytes(two_tensors("[0, 2]", "[2, 4]"), "abcd");
  EXPECT_TRUE(is_read(whole));
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    EXPECT_FALSE(is_read(std::string_view(whole).substr(0, kept))) << kept;
  }
}

TEST(Safetensors, ReadsOrRefusesTheFileWithAnyByteChanged) {
  const std::string whole = safetensors_bytes(two_tensors("[0, 2]", "[2, 4]"), "abcd");
  int refused = 0;
  for (std::size_t place = 0; place < whole.size(); ++place) {
    for (const char byte : {'\0', '\x01', '"', '}', '9', '\xFF'}) {
      std::string changed = whole;
      changed[place] = byte;
      refused += is_read(changed) ? 0 : 1;
    }
  }
  // Only blanks, names and data may change freely; they are less than half of this file.
  EXPECT_GT(refused, static_cast<int>(whole.size()) * 3);
}

TEST(SafetensorsInstead, ALfsPointerIsRecognised) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: this is a git-LFS pointer, not the weights; run 'git lfs pull'",
               read("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 90868376\n"));
}

TEST(SafetensorsInstead, AWebPageIsRecognised) {
  EXPECT_ERROR(kCorruptModel, "x.safetensors: this is a web page", read("<!DOCTYPE html><html></html>"));
  EXPECT_ERROR(kCorruptModel, "x.safetensors: this is a web page", read("\n <html>"));
}

TEST(SafetensorsInstead, APickleIsRecognised) {
  EXPECT_ERROR(kCorruptModel, "this is a pickled PyTorch file", read(std::string("PK\x03\x04\0\0\0\0\0\0", 10)));
}

TEST(SafetensorsInstead, AFileWhoseLengthLooksLikeAPickleIsRead) {
  const std::string header = "{}" + std::string(0x0280 - 2, ' ');  // the length's bytes are 80 02, as a pickle's first
  EXPECT_NO_THROW(read(header, ""));
}

}  // namespace
}  // namespace mlxe
