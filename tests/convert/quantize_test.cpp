// Quantisers against what libmlx made (tests/fixtures/quantizer.safetensors), bit by bit.
#include "convert/quantize.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "convert/pack_codes.h"
#include "support/expect_error.h"
#include "weights/quantized.h"
#include "weights/safetensors.h"

namespace mlxe {
namespace {

struct Case {
  QuantizationFormat format;
  DType dtype;
  [[nodiscard]] std::string key() const {
    return fmt::format("{}-{}-{}-{}", to_string(format.mode), format.bits, format.group_size, to_string(dtype));
  }
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    for (const int bits : {2, 3, 4, 5, 6, 8}) {
      for (const int group : {32, 64, 128}) {
        cases.push_back({{QuantizationMode::kAffine, bits, group}, dtype});
      }
    }
    for (const QuantizationMode mode : {QuantizationMode::kMxfp4, QuantizationMode::kMxfp8, QuantizationMode::kNvfp4}) {
      cases.push_back({default_format(mode), dtype});
    }
  }
  return cases;
}

const std::map<std::string, StoredTensor>& goldens() {
  static const auto tensors = read_safetensors("tests/fixtures/quantizer.safetensors");
  return tensors;
}

std::string bytes_of(const HostTensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.data), data_bytes(tensor)};
}

struct Parts {
  std::string codes;
  std::string scales;
  std::string biases;
  QuantizationError error;
};

Parts quantized(const HostTensor& source, const QuantizationFormat& format) {
  const std::size_t count = num_elements(source.shape);
  const std::size_t groups = count / static_cast<std::size_t>(format.group_size);
  const bool affine = format.mode == QuantizationMode::kAffine;
  Parts parts;
  parts.codes.resize(count * static_cast<std::size_t>(format.bits) / 8);
  parts.scales.resize(groups * (affine ? size_bytes(source.dtype) : 1));
  parts.biases.resize(affine ? parts.scales.size() : 0);
  const auto bytes = [](std::string& text) { return reinterpret_cast<std::byte*>(text.data()); };
  parts.error = quantize(source.dtype, source.data, count, format,
                         {.codes = bytes(parts.codes), .scales = bytes(parts.scales), .biases = bytes(parts.biases)});
  return parts;
}

/// The first group whose bytes differ, for a message that helps.
std::string first_difference(const std::string& found, const std::string& wanted, const Case& one, std::size_t bytes) {
  for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
    if (found[i] != wanted[i]) {
      const std::size_t group = i / bytes;
      return fmt::format("group {} (row {}): 0x{:02x}, wanted 0x{:02x}", group,
                         group * static_cast<std::size_t>(one.format.group_size) / 128,
                         static_cast<unsigned char>(found[i]), static_cast<unsigned char>(wanted[i]));
    }
  }
  return "sizes differ";
}

void expect_same(const std::string& found, const HostTensor& wanted, const Case& one, std::size_t group_bytes) {
  const std::string bytes = bytes_of(wanted);
  if (found != bytes) {
    ADD_FAILURE() << first_difference(found, bytes, one, group_bytes);
  }
}

TEST(Quantize, GivesLibmlxBits) {
  for (const Case& one : all_cases()) {
    SCOPED_TRACE(one.key());
    const HostTensor& source = goldens().at(fmt::format("source.{}", to_string(one.dtype))).tensor;
    const Parts parts = quantized(source, one.format);
    const bool affine = one.format.mode == QuantizationMode::kAffine;
    const std::size_t side = affine ? size_bytes(one.dtype) : 1;
    const auto group_bytes = static_cast<std::size_t>(one.format.group_size * one.format.bits / 8);
    expect_same(parts.codes, goldens().at(one.key() + ".weight").tensor, one, group_bytes);
    expect_same(parts.scales, goldens().at(one.key() + ".scales").tensor, one, side);
    if (affine) {
      expect_same(parts.biases, goldens().at(one.key() + ".biases").tensor, one, side);
    }
  }
}

HostTensor packed(const Case& one) {
  auto quantization = std::make_shared<Quantization>();
  quantization->format = one.format;
  quantization->scales = goldens().at(one.key() + ".scales").tensor;
  if (one.format.mode == QuantizationMode::kAffine) {
    quantization->biases = goldens().at(one.key() + ".biases").tensor;
  }
  HostTensor weight = goldens().at(one.key() + ".weight").tensor;
  weight.shape = *unpacked_shape(weight.shape, one.format);
  weight.quantization = std::move(quantization);
  return weight;
}

TEST(Dequantize, GivesLibmlxBits) {
  int compared = 0;
  for (const Case& one : all_cases()) {
    const auto wanted = goldens().find(one.key() + ".dequantized");
    if (wanted == goldens().end()) {
      continue;
    }
    SCOPED_TRACE(one.key());
    ++compared;
    const HostTensor weight = packed(one);
    const auto rows = static_cast<std::size_t>(weight.shape.front());
    std::string bytes(num_elements(weight.shape) * size_bytes(one.dtype), '\0');
    auto* const out = reinterpret_cast<std::byte*>(bytes.data());
    dequantize_as(one.dtype, weight, 0, 1, out);  // in two parts, as a stream does
    dequantize_as(one.dtype, weight, 1, rows - 1, out + bytes.size() / rows);
    expect_same(bytes, wanted->second.tensor, one,
                static_cast<std::size_t>(one.format.group_size) * size_bytes(one.dtype));
  }
  EXPECT_EQ(compared, 15);
}

HostTensor row_of(const std::vector<float>& values) {
  return {.dtype = DType::kFloat32,
          .shape = {1, static_cast<int>(values.size())},
          .data = reinterpret_cast<const std::byte*>(values.data()),
          .owner = nullptr};
}

TEST(Quantize, TellsItsError) {
  // 4 bits from -3 to 4.5 are steps of 0.5, which hit all but 0.25: it goes to 0 or to 0.5.
  std::vector<float> w(32, 0.0F);
  w[0] = -3.0F;
  w[1] = 4.5F;
  w[2] = 0.25F;
  const HostTensor source = row_of(w);
  const QuantizationError error = quantized(source, {QuantizationMode::kAffine, 4, 32}).error;
  EXPECT_EQ(error.largest_error, 0.25);
  EXPECT_EQ(error.squared_error, 0.0625);
  EXPECT_EQ(error.squared_size, 9.0 + 20.25 + 0.0625);
  EXPECT_TRUE(error.sound);
}

TEST(Quantize, TellsWhatHasNoCodes) {
  std::vector<float> w(32, 1.0F);
  const HostTensor source = row_of(w);
  w[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(quantized(source, {QuantizationMode::kAffine, 4, 32}).error.sound);
  w[5] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(quantized(source, default_format(QuantizationMode::kMxfp4)).error.sound);
  w.assign(32, 1e-40F);  // its exponent wraps around in libmlx's byte
  EXPECT_FALSE(quantized(source, default_format(QuantizationMode::kMxfp8)).error.sound);
  EXPECT_TRUE(quantized(source, {QuantizationMode::kAffine, 4, 32}).error.sound);
}

TEST(Quantize, RefusesWhatMlxCannotMake) {
  const std::vector<float> w(64, 1.0F);
  const HostTensor source = row_of(w);
  EXPECT_ERROR(kInvalidInput, "1-bit affine, groups of 64 cannot be made",
               quantized(source, {QuantizationMode::kAffine, 1, 64}));
  EXPECT_ERROR(kInvalidInput, "64 elements of type float32 cannot be quantised in groups of 128",
               quantized(source, {QuantizationMode::kAffine, 4, 128}));
}

TEST(PackCodes, ComesBackFromEveryWidth) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    std::vector<std::uint8_t> codes(64);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      codes[i] = static_cast<std::uint8_t>((i * 37 + 11) & ((1U << static_cast<unsigned>(bits)) - 1U));
    }
    std::vector<std::byte> stream(64 * static_cast<std::size_t>(bits) / 8);
    pack_codes(codes.data(), codes.size(), bits, stream.data());
    std::vector<std::uint8_t> back(64);
    unpack_codes(stream.data(), back.size(), bits, back.data());
    EXPECT_EQ(back, codes) << bits;
  }
}

}  // namespace
}  // namespace mlxe
