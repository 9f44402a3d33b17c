// Quantised weights: what config.json may say, how their tensors fit together, and what their codes stand for.
#include "weights/quantized.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/safetensors_bytes.h"
#include "weights/weight_map.h"

namespace mlxe {
namespace {

using mlxe::testing::ListedTensor;
using mlxe::testing::message_of_error;
using mlxe::testing::ScratchFolder;
using mlxe::testing::zeros;

QuantizationConfig config_of(const std::string& text) {
  return QuantizationConfig::parse(JsonFields(parse_json(text, "config.json"), "config.json"));
}

constexpr const char* kFourBits = R"({"quantization": {"group_size": 64, "bits": 4, "mode": "affine"}})";

ListedTensor tensor(std::string name, std::string dtype, const std::vector<int>& shape, std::size_t element_bytes) {
  std::size_t count = element_bytes;
  for (const int dimension : shape) {
    count *= static_cast<std::size_t>(dimension);
  }
  return {std::move(name), std::move(dtype), fmt::format("[{}]", fmt::join(shape, ", ")), std::string(count, '\0')};
}

/// A layer of 2 x 128 in 4 bits and groups of 64, as it should be.
std::vector<ListedTensor> good_layer(const std::string& path = "x") {
  return {tensor(path + ".weight", "U32", {2, 16}, 4), tensor(path + ".scales", "BF16", {2, 2}, 2),
          tensor(path + ".biases", "BF16", {2, 2}, 2)};
}

WeightMap weights_of(const std::vector<ListedTensor>& tensors, const std::string& config = kFourBits,
                     const NameRule& rule = {}, bool expand_quantized = false) {
  const ScratchFolder folder;  // gone when this returns: the mapping outlives it
  folder.write("model.safetensors", mlxe::testing::safetensors_bytes(tensors));
  return WeightMap(folder.path(), rule, {.quantization = config_of(config), .expand_quantized = expand_quantized});
}

/// The report of finish() after taking x.weight as 2 x 128.
std::string misfits_of(const std::vector<ListedTensor>& tensors, const std::string& config = kFourBits) {
  WeightMap weights = weights_of(tensors, config);
  EXPECT_FALSE(weights.take("x.weight", {2, 128}).has_data());
  return message_of_error(ErrorCode::kCorruptModel, [&] { weights.finish(); });
}

TEST(QuantizationConfig, ReadsFormatAndLayersThatDiffer) {
  const QuantizationConfig config = config_of(R"({"quantization": {
      "group_size": 64, "bits": 4, "a.b": {"group_size": 32, "bits": 8}, "c": false, "d": true}})");
  EXPECT_EQ(config.format_of("other"), (QuantizationFormat{QuantizationMode::kAffine, 4, 64}));
  EXPECT_EQ(config.format_of("a.b"), (QuantizationFormat{QuantizationMode::kAffine, 8, 32}));
  EXPECT_EQ(config.format_of("c"), std::nullopt);
  EXPECT_EQ(config.format_of("d"), (QuantizationFormat{QuantizationMode::kAffine, 4, 64}));
}

TEST(QuantizationConfig, TakesWhatIsUnsetFromTheMode) {
  EXPECT_EQ(config_of(R"({"quantization": {}})").format_of("x"),
            (QuantizationFormat{QuantizationMode::kAffine, 4, 64}));
  EXPECT_EQ(config_of(R"({"quantization": {"mode": "mxfp8", "bits": null, "group_size": 0}})").format_of("x"),
            (QuantizationFormat{QuantizationMode::kMxfp8, 8, 32}));
  EXPECT_EQ(config_of(R"({"quantization_config": {"mode": "nvfp4"}})").format_of("x"),
            (QuantizationFormat{QuantizationMode::kNvfp4, 4, 16}));
}

TEST(QuantizationConfig, TakesSwitchesForNoLayers) {
  for (const char* skips : {"true", "false"}) {
    EXPECT_EQ(
        config_of(fmt::format(R"({{"quantization": {{"bits": 6, "group_size": 128, "skip_vision": {}}}}})", skips))
            .format_of("x"),
        (QuantizationFormat{QuantizationMode::kAffine, 6, 128}));
  }
}

TEST(QuantizationConfig, LooksInTheTextModelToo) {
  EXPECT_EQ(config_of(R"({"text_config": {"quantization_config": {"bits": 8}}})").format_of("x"),
            (QuantizationFormat{QuantizationMode::kAffine, 8, 64}));
  EXPECT_TRUE(config_of(R"({"text_config": {}})").empty());
}

TEST(QuantizationConfig, KnowsTheMethodsThatMlxPacksItself) {
  const auto format = [](const char* method) {
    return config_of(fmt::format(R"({{"quantization_config": {{"quant_method": "{}", "bits": 3}}}})", method))
        .format_of("x");
  };
  EXPECT_EQ(format("mxfp4"), (QuantizationFormat{QuantizationMode::kMxfp4, 4, 32}));
  EXPECT_EQ(format("compressed-tensors"), (QuantizationFormat{QuantizationMode::kAffine, 4, 32}));
  EXPECT_EQ(format("awq"), std::nullopt);  // which WeightMapOptions::translate is for
}

TEST(QuantizationConfig, RefusesFormatsThatMlxDoesNotHave) {
  EXPECT_ERROR(kCorruptModel, "'quantization': 7-bit affine, groups of 64 is no format of MLX, wanted affine of 1, 2,",
               config_of(R"({"quantization": {"bits": 7}})"));
  EXPECT_ERROR(kCorruptModel, "4-bit affine, groups of 16 is no format of MLX",
               config_of(R"({"quantization": {"group_size": 16}})"));
  EXPECT_ERROR(kCorruptModel, "4-bit mxfp4, groups of 64 is no format of MLX",
               config_of(R"({"quantization": {"group_size": 64, "bits": 4, "mode": "mxfp4"}})"));
  EXPECT_ERROR(kCorruptModel, "'quantization': 'a.b': 6-bit nvfp4, groups of 32 is no format",
               config_of(R"({"quantization": {"a.b": {"mode": "nvfp4", "bits": 6, "group_size": 32}}})"));
  EXPECT_ERROR(kCorruptModel, "'mode' is 'int4', wanted one of: affine, mxfp4, mxfp8, nvfp4",
               config_of(R"({"quantization": {"mode": "int4"}})"));
}

TEST(QuantizedWeights, AreTakenByTheShapeOfTheirElements) {
  WeightMap weights = weights_of(good_layer());
  EXPECT_EQ(weights.shape_of("x.weight"), (Shape{2, 128}));
  EXPECT_EQ(weights.num_parameters(), 256U);
  EXPECT_EQ(weights.type_of_largest(), "4-bit affine, groups of 64");
  EXPECT_EQ(weights.float_type(), DType::kBFloat16);
  const HostTensor tensor = weights.take("x.weight", {2, 128});
  ASSERT_TRUE(tensor.has_data());
  EXPECT_EQ(tensor.shape, (Shape{2, 128}));
  EXPECT_EQ(data_bytes(tensor), 128U);
  ASSERT_NE(tensor.quantization, nullptr);
  EXPECT_EQ(tensor.quantization->scales.dtype, DType::kBFloat16);
  EXPECT_TRUE(tensor.quantization->biases.has_value());
  EXPECT_NO_THROW(weights.finish());
}

TEST(QuantizedWeights, HaveTheFloatingPointTypeOfTheirScalesAndThatOfOthersWhereScalesAreNoFloats) {
  std::vector<ListedTensor> tensors = good_layer();
  tensors.push_back(zeros("norm.weight", {128}));
  EXPECT_EQ(weights_of(tensors).float_type(), DType::kBFloat16);  // of 256 elements, not of 128
  constexpr const char* kMxfp4 = R"({"quantization": {"mode": "mxfp4", "group_size": 32, "bits": 4}})";
  const std::vector<ListedTensor> mxfp4 = {tensor("x.weight", "U32", {2, 16}, 4), tensor("x.scales", "U8", {2, 4}, 1),
                                           tensor("norm.weight", "F16", {128}, 2)};
  EXPECT_EQ(weights_of(mxfp4, kMxfp4).float_type(), DType::kFloat16);
}

TEST(QuantizedWeights, MayStandBesideOthers) {
  std::vector<ListedTensor> tensors = good_layer();
  tensors.push_back(zeros("y.weight", {2, 128}));
  WeightMap weights = weights_of(tensors);
  EXPECT_NE(weights.take("x.weight", {2, 128}).quantization, nullptr);
  EXPECT_EQ(weights.take("y.weight", {2, 128}).quantization, nullptr);
  EXPECT_NO_THROW(weights.finish());
}

TEST(QuantizedWeights, FollowTheNameOfTheirWeight) {
  const auto rule = [](std::string_view name) -> std::optional<std::string> {
    return name == "bert.x.weight" ? std::optional<std::string>("w") : std::nullopt;
  };
  WeightMap weights = weights_of(good_layer("bert.x"), kFourBits, rule);
  EXPECT_TRUE(weights.take("w", {2, 128}).has_data());
  EXPECT_NO_THROW(weights.finish());
}

TEST(QuantizedWeights, OfALayerThatDiffersFitItsOwnFormat) {
  const std::vector<ListedTensor> tensors = {tensor("bert.x.weight", "U32", {2, 32}, 4),
                                             tensor("bert.x.scales", "F16", {2, 4}, 2),
                                             tensor("bert.x.biases", "F16", {2, 4}, 2)};
  const NameRule rule = [](std::string_view name) { return std::optional(std::string(name.substr(5))); };
  for (const char* path : {"bert.x", "x"}) {
    WeightMap weights = weights_of(
        tensors, fmt::format(R"({{"quantization": {{"bits": 4, "{}": {{"bits": 8, "group_size": 32}}}}}})", path),
        rule);
    EXPECT_TRUE(weights.take("x.weight", {2, 128}).has_data()) << path;
    EXPECT_NO_THROW(weights.finish());
  }
}

TEST(QuantizedWeights, AreNamedWhereTheyDoNotFit) {
  using ::testing::HasSubstr;
  std::vector<ListedTensor> tensors = good_layer();
  EXPECT_THAT(misfits_of(tensors, "{}"),
              HasSubstr("x.weight: is packed (uint32), and 'quantization' of config.json is missing"));
  EXPECT_THAT(misfits_of(tensors, R"({"quantization": {"x": false}})"),
              HasSubstr("x.weight: is packed (uint32), and 'quantization' of config.json says it is not"));
  tensors[0] = tensor("x.weight", "U32", {2, 8}, 4);
  EXPECT_THAT(misfits_of(tensors),
              HasSubstr("x.weight: has shape [2, 8], wanted [2, 16] ([2, 128] of 4-bit affine, groups of 64)"));
  tensors[0] = tensor("x.weight", "I32", {2, 16}, 4);
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.weight: has scales and dtype int32, wanted uint32"));
  tensors = good_layer();
  tensors[1] = tensor("x.scales", "BF16", {2, 4}, 2);
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.scales: has shape [2, 4], wanted [2, 2]"));
  tensors[1] = tensor("x.scales", "U8", {2, 2}, 1);
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.scales: has dtype uint8, wanted float32, float16 or bfloat16"));
  tensors[1] = tensor("x.scales", "F16", {2, 2}, 2);
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.biases: has dtype bfloat16, the scales have float16"));
  tensors = good_layer();
  tensors.pop_back();
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.biases: missing for 4-bit affine, groups of 64"));
  tensors.pop_back();
  EXPECT_THAT(misfits_of(tensors), HasSubstr("x.scales: missing for 4-bit affine, groups of 64"));
}

TEST(QuantizedWeights, OfFloatingPointCodesHaveByteScalesAndNoBiases) {
  using ::testing::HasSubstr;
  constexpr const char* kMxfp4 = R"({"quantization": {"mode": "mxfp4", "bits": 4, "group_size": 32}})";
  std::vector<ListedTensor> tensors = {tensor("x.weight", "U32", {2, 16}, 4), tensor("x.scales", "U8", {2, 4}, 1)};
  WeightMap weights = weights_of(tensors, kMxfp4);
  EXPECT_TRUE(weights.take("x.weight", {2, 128}).has_data());
  EXPECT_NO_THROW(weights.finish());
  tensors[1] = tensor("x.scales", "F16", {2, 4}, 2);
  EXPECT_THAT(misfits_of(tensors, kMxfp4), HasSubstr("x.scales: has dtype float16, wanted uint8"));
  tensors[1] = tensor("x.scales", "U8", {2, 4}, 1);
  tensors.push_back(tensor("x.biases", "U8", {2, 4}, 1));
  EXPECT_THAT(misfits_of(tensors, kMxfp4), HasSubstr("x.biases: unexpected for 4-bit mxfp4, groups of 32"));
}

TEST(QuantizedWeights, OfAModelsSizeThatHasNoWholeGroupsAreMisfits) {
  WeightMap weights = weights_of(good_layer());
  EXPECT_FALSE(weights.take("x.weight", {2, 100}).has_data());
  EXPECT_ERROR(kCorruptModel, "x.weight: is 4-bit affine, groups of 64, wanted [2, 100]", weights.finish());
}

TEST(QuantizedWeights, AreExpandedWhereThatIsAskedFor) {
  std::vector<ListedTensor> tensors = good_layer();
  tensors[0].data[0] = '\x43';                   // codes 3 and 4
  tensors[1].data.replace(0, 2, "\x00\x3F", 2);  // scale 0.5
  tensors[2].data.replace(0, 2, "\x80\xBF", 2);  // bias -1
  WeightMap weights = weights_of(tensors, kFourBits, {}, true);
  const HostTensor wide = weights.take("x.weight", {2, 128});
  ASSERT_EQ(wide.dtype, DType::kFloat32);
  EXPECT_EQ(wide.quantization, nullptr);
  std::vector<float> values(256);
  std::memcpy(values.data(), wide.data, values.size() * sizeof(float));
  EXPECT_EQ(values[0], 0.5F);  // 3 * 0.5 - 1
  EXPECT_EQ(values[1], 1.0F);
  EXPECT_EQ(values[2], -1.0F);
  EXPECT_EQ(values[64], 0.0F);
  EXPECT_NO_THROW(weights.finish());
}

TEST(QuantizedWeights, AreExpandedBeforeTheyAreAmended) {
  WeightMap weights = weights_of(good_layer());
  weights.amend("x.weight", [](const HostTensor& tensor) {
    EXPECT_EQ(tensor.quantization, nullptr);
    EXPECT_EQ(tensor.dtype, DType::kFloat32);
    return tensor;
  });
  EXPECT_EQ(weights.take("x.weight", {2, 128}).dtype, DType::kFloat32);
}

/// Every format of libmlx with all types of scales, from tools/make_quantized_goldens.py.
TEST(Dequantize, GivesTheBitsOfLibmlx) {
  const std::map<std::string, StoredTensor> stored = read_safetensors("tests/fixtures/quantized.safetensors");
  int cases = 0;
  for (const auto& [name, expected] : stored) {
    if (!name.ends_with(".expected")) {
      continue;
    }
    ++cases;
    const std::string path = name.substr(0, name.size() - 9);
    const std::size_t first = path.find('-');
    const std::size_t second = path.find('-', first + 1);
    const QuantizationFormat format{quantization_mode(path.substr(0, first)).value(), std::stoi(path.substr(first + 1)),
                                    std::stoi(path.substr(second + 1))};
    EXPECT_TRUE(is_legal(format)) << path;
    QuantizedParts parts{.weight = stored.at(path + ".weight"), .scales = stored.at(path + ".scales"), .biases = {}};
    if (stored.contains(path + ".biases")) {
      parts.biases = stored.at(path + ".biases");
    }
    const Shape& shape = expected.tensor.shape;
    std::vector<QuantizedMisfit> misfits;
    const std::optional<HostTensor> weight = assemble(parts, format, shape, misfits);
    ASSERT_TRUE(weight.has_value()) << path << ": " << misfits.at(0).tensor << " " << misfits.at(0).reason;
    const std::size_t rows = static_cast<std::size_t>(shape[0]);
    const std::size_t size = static_cast<std::size_t>(shape[1]);
    std::vector<float> actual(rows * size);
    dequantize(*weight, 0, 1, actual.data());
    dequantize(*weight, 1, rows - 1, actual.data() + size);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      float wanted = 0.0F;
      std::memcpy(&wanted, expected.tensor.data + i * sizeof(float), sizeof(float));
      const bool equal = std::isnan(wanted)
                             ? std::isnan(actual[i])
                             : std::bit_cast<std::uint32_t>(wanted) == std::bit_cast<std::uint32_t>(actual[i]);
      ASSERT_TRUE(equal) << path << " [" << i / size << ", " << i % size << "] is " << actual[i] << ", wanted "
                         << wanted;
    }
  }
  EXPECT_EQ(cases, 7 * 3 * 3 + 3);
}

}  // namespace
}  // namespace mlxe
