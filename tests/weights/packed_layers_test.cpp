// Layers that other libraries packed: every form gives the library's numbers, and what does not fit is named.
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "support/expect_error.h"
#include "tensor/quantization.h"
#include "weights/integer_weight.h"
#include "weights/quantization_method.h"
#include "weights/quantized.h"
#include "weights/safetensors.h"
#include "weights/weight_map.h"

namespace mlxe {
namespace {

using mlxe::testing::message_of_error;
using ::testing::HasSubstr;

JsonFields config_of(const Json& quantization) {
  return {Json{{"quantization_config", quantization}}, "config.json"};
}

/// Of tools/make_packed_goldens.py.
struct Golden {
  std::string name;
  Json quantization;
  bool packed = false;
  Checkpoint tensors;  // of layer x
  StoredTensor expected;
};

std::vector<Golden> read_goldens() {
  const std::map<std::string, StoredTensor> all = read_safetensors("tests/fixtures/packed.safetensors");
  std::vector<Golden> goldens;
  const Json json = load_json("tests/fixtures/packed.json");
  for (const Json& entry : json.at("cases")) {
    Golden golden{.name = entry.at("name"),
                  .quantization = entry.at("quantization_config"),
                  .packed = entry.at("packed"),
                  .tensors = {},
                  .expected = {}};
    const std::string prefix = golden.name + "/";
    for (const auto& [name, stored] : all) {
      if (name == prefix + "x.expected") {
        golden.expected = stored;
      } else if (name.starts_with(prefix)) {
        golden.tensors[name.substr(prefix.size())] = stored;
      }
    }
    goldens.push_back(std::move(golden));
  }
  return goldens;
}

const Golden& golden(const std::string& name) {
  static const std::vector<Golden> kGoldens = read_goldens();
  return *std::ranges::find(kGoldens, name, &Golden::name);
}

Checkpoint translated(const Golden& golden, Checkpoint tensors) {
  translator_of(config_of(golden.quantization))(tensors);
  return tensors;
}

std::vector<float> elements_of(const HostTensor& weight) {
  return floats_of(weight.quantization != nullptr ? expand(weight) : weight);
}

TEST(PackedLayers, GiveTheNumbersOfTheirLibrary) {
  const std::vector<Golden> goldens = read_goldens();
  EXPECT_GE(goldens.size(), 37U);
  for (const Golden& golden : goldens) {
    const Checkpoint checkpoint = translated(golden, golden.tensors);
    ASSERT_EQ(checkpoint.size(), 1U) << golden.name << ": tensors are left over";
    const StoredTensor& stored = checkpoint.at("x.weight");
    EXPECT_EQ(stored.tensor.shape, golden.expected.tensor.shape) << golden.name;
    const HostTensor weight = stored.decode();
    EXPECT_EQ(weight.shape, stored.tensor.shape) << golden.name;
    EXPECT_EQ(weight.quantization != nullptr, golden.packed) << golden.name;
    const std::vector<float> actual = elements_of(weight);
    const std::vector<float> wanted = floats_of(golden.expected.tensor);
    ASSERT_EQ(actual.size(), wanted.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      ASSERT_EQ(actual[i], wanted[i]) << golden.name << " (" << stored.dtype << ") at " << i;
    }
  }
}

/// Scales of 16 bits stay so where the biases fit too.
TEST(PackedLayers, KeepNarrowScales) {
  const auto dtypes = [](const char* name) {
    const HostTensor weight = translated(golden(name), golden(name).tensors).at("x.weight").decode();
    EXPECT_EQ(weight.quantization->scales.dtype, weight.quantization->biases->dtype);
    return weight.quantization->scales.dtype;
  };
  EXPECT_EQ(dtypes("ct-int4"), DType::kFloat16);  // -8 * scale only moves the exponent; bfloat16 of such size fits
  EXPECT_EQ(dtypes("gptq-4"), DType::kFloat32);   // zero * scale wants 15 bits
}

TEST(PackedLayers, SayWhatTheyAre) {
  const auto form = [](const char* name) {
    return translated(golden(name), golden(name).tensors).at("x.weight").dtype;
  };
  EXPECT_EQ(form("gptq-3"), "3-bit GPTQ, groups of 32");
  EXPECT_EQ(form("gptq-own-bits"), "8-bit GPTQ, groups of 32");
  EXPECT_EQ(form("gptq-act-order"), "4-bit GPTQ in activation order, groups of 32");
  EXPECT_EQ(form("awq-128"), "4-bit AWQ, groups of 128");
  EXPECT_EQ(form("ct-int5"), "5-bit compressed-tensors, groups of 32");
  EXPECT_EQ(form("ct-w8a8"), "8-bit compressed-tensors, one scale a row");
}

/// A weight of scales that do not leave room for exact products is expanded, so that each is rounded once.
TEST(IntegerWeight, StaysPackedOnlyWhereProductsAreExact) {
  const auto weight_with = [](float scale) {
    return to_weight({.shape = {1, 32},
                      .bits = 4,
                      .codes = owned_tensor(DType::kUInt32, {1, 4}, {0x76543210U, 0xFEDCBA98U, 0U, 0xFFFFFFFFU}),
                      .num_groups = 1,
                      .scales = {scale},
                      .zeros = {8}});
  };
  EXPECT_NE(weight_with(0x1.00002p0F).quantization, nullptr);  // 20 bits and 4
  EXPECT_NE(weight_with(0.0F).quantization, nullptr);
  const HostTensor wide = weight_with(0x1.00001p0F);  // 21 bits
  ASSERT_EQ(wide.quantization, nullptr);
  EXPECT_EQ(floats_of(wide)[15], 7.0F * 0x1.00001p0F);
  EXPECT_EQ(weight_with(1e-38F).quantization, nullptr);
}

/// The message for a layer with one of its tensors replaced, or taken away.
std::string refusal(const char* name, const std::string& part, const char* dtype, Shape shape) {
  Checkpoint tensors = golden(name).tensors;
  if (dtype == nullptr) {
    tensors.erase("x." + part);
  } else {
    static const std::vector<std::byte> kZeros(1U << 16U);
    StoredTensor& stored = tensors["x." + part];
    stored.dtype = dtype;
    stored.tensor.shape = std::move(shape);
    stored.tensor.data = kZeros.data();
    stored.tensor.dtype = stored.dtype == "F32"   ? DType::kFloat32
                          : stored.dtype == "F16" ? DType::kFloat16
                                                  : DType::kInt32;
  }
  return message_of_error(ErrorCode::kCorruptModel, [&] { translated(golden(name), std::move(tensors)); });
}

TEST(PackedLayers, OfGptqAreNamedWhereTheyDoNotFit) {
  EXPECT_THAT(refusal("gptq-4", "scales", nullptr, {}),
              HasSubstr("tensor 'x.scales' is missing, wanted for GPTQ of 4"));
  EXPECT_THAT(refusal("gptq-4", "scales", "F16", {3, 16}), HasSubstr("'x.qzeros' has shape [2, 2], wanted [3, 2]"));
  EXPECT_THAT(refusal("gptq-4", "scales", "F16", {2, 8}), HasSubstr("'x.scales' has shape [2, 8], wanted [2, 16]"));
  EXPECT_THAT(refusal("gptq-4", "scales", "I32", {2, 16}), HasSubstr("has dtype I32, wanted F16 or BF16 or F32"));
  EXPECT_THAT(refusal("gptq-4", "qweight", "I32", {8}), HasSubstr("has shape [8], wanted 2 dimensions"));
  EXPECT_THAT(refusal("gptq-4", "qweight", "I32", {5, 16}), HasSubstr("'x.g_idx' has shape [64], wanted the columns"));
  EXPECT_THAT(refusal("gptq-sym-no-order", "scales", "F16", {3, 8}), HasSubstr("wanted [3, 1]"));
  EXPECT_THAT(refusal("gptq-one-group", "qweight", "I32", {2000000000, 16}), HasSubstr("more rows than a weight has"));
  Checkpoint tensors = golden("gptq-act-order").tensors;
  std::vector<std::uint32_t> order(64, 2);
  tensors["x.g_idx"].tensor = owned_tensor(DType::kInt32, {64}, order);
  EXPECT_ERROR(kCorruptModel, "'x.g_idx' has 2 at 0, wanted 0 to 1", translated(golden("gptq-act-order"), tensors));
}

TEST(PackedLayers, OfAwqAreNamedWhereTheyDoNotFit) {
  EXPECT_THAT(refusal("awq-32", "qzeros", nullptr, {}), HasSubstr("'x.qzeros' is missing, wanted for 4-bit AWQ"));
  EXPECT_THAT(refusal("awq-32", "scales", "F16", {4, 9}), HasSubstr("has shape [4, 9], wanted [4, 8]"));
  EXPECT_THAT(refusal("awq-32", "qzeros", "I32", {3, 1}), HasSubstr("has shape [3, 1], wanted [4, 1]"));
  EXPECT_THAT(refusal("awq-32", "qweight", "I32", {126, 1}), HasSubstr("4 groups, which do not divide 126 columns"));
}

TEST(PackedLayers, OfCompressedTensorsAreNamedWhereTheyDoNotFit) {
  EXPECT_THAT(refusal("ct-int4", "weight_scale", nullptr, {}), HasSubstr("'x.weight_scale' is missing"));
  EXPECT_THAT(refusal("ct-int4", "weight_shape", nullptr, {}), HasSubstr("'x.weight_shape' is missing"));
  EXPECT_THAT(refusal("ct-int4", "weight_scale", "F16", {8, 3}), HasSubstr("3 groups, which do not divide 64 columns"));
  EXPECT_THAT(refusal("ct-int4", "weight_scale", "F16", {7, 2}), HasSubstr("has shape [7, 2], wanted [8, groups]"));
  EXPECT_THAT(refusal("ct-int4", "weight_packed", "I32", {8, 17}), HasSubstr("has shape [8, 17], wanted 8 rows"));
  EXPECT_THAT(refusal("ct-int4-asymmetric", "weight_zero_point", "I32", {1, 2}),
              HasSubstr("has shape [1, 2], wanted [2, 2]"));
  EXPECT_THAT(refusal("ct-nvfp4", "weight_scale", "F8_E4M3", {8, 2}), HasSubstr("has shape [8, 2], wanted [8, 4]"));
  EXPECT_THAT(refusal("ct-nvfp4", "weight_global_scale", "F32", {1}), HasSubstr("is 0, wanted a number above 0"));
  EXPECT_THAT(refusal("ct-mxfp8", "weight_scale", "U8", {8, 3}), HasSubstr("has shape [8, 3], wanted [8, 2]"));
  EXPECT_THAT(refusal("ct-fp8-blocks", "weight_scale", "F32", {4, 5}),
              HasSubstr("has shape [4, 5], wanted one number, [10, 1] or blocks of a weight of shape [10, 72]"));
  EXPECT_THAT(refusal("ct-w8a8", "weight", "F16", {8, 64}), HasSubstr("'x.weight' has dtype F16, wanted F8_E4M3"));
  EXPECT_THAT(refusal("fp8-cut-blocks", "weight_scale_inv", "I32", {2, 3}), HasSubstr("has dtype I32, wanted F16,"));
}

TEST(PackedLayers, DropWhatActivationsAreQuantisedWith) {
  Checkpoint tensors = golden("ct-fp8-channel").tensors;
  for (const char* name : {"x.input_scale", "a.k_scale", "a.v_scale"}) {
    tensors[name] = tensors.at("x.weight_scale");
  }
  const Checkpoint checkpoint = translated(golden("ct-fp8-channel"), tensors);
  EXPECT_EQ(checkpoint.size(), 1U);
}

TEST(QuantizationMethod, RefusesWhatCannotBeReadAndSaysWhatToDo) {
  for (const char* method : {"bitsandbytes", "bitnet", "eetq", "hqq", "aqlm", "quanto", "torchao", "vptq", "affine"}) {
    EXPECT_ERROR(
        kUnsupported,
        fmt::format("config.json: 'quantization_config': 'quant_method' is '{}', whose weights cannot be read; "
                    "take the model that it was made from",
                    method),
        translator_of(config_of({{"quant_method", method}})));
  }
}

TEST(QuantizationMethod, RefusesLayoutsThatOnlyOneKernelReads) {
  const auto translate = [](Json quantization) {
    Checkpoint checkpoint;
    translator_of(config_of(quantization))(checkpoint);
  };
  EXPECT_ERROR(kUnsupported, "'version' is 'gemv', wanted gemm",
               (translate({{"quant_method", "awq"}, {"version", "GEMV"}}), 0));
  EXPECT_ERROR(kUnsupported, "'bits' is 3, wanted 4", (translate({{"quant_method", "awq"}, {"bits", 3}}), 0));
  EXPECT_ERROR(kUnsupported, "'bits' is 5, wanted 2, 3, 4 or 8",
               (translate({{"quant_method", "gptq"}, {"bits", 5}}), 0));
  EXPECT_ERROR(kUnsupported, "'checkpoint_format' is 'marlin', wanted gptq or gptq_v2",
               (translate({{"quant_method", "gptq"}, {"bits", 4}, {"checkpoint_format", "marlin"}}), 0));
  EXPECT_ERROR(kCorruptModel, "'weight_block_size' is [0,128], wanted two sizes of at least 1",
               (translate({{"quant_method", "fp8"}, {"weight_block_size", {0, 128}}}), 0));
}

TEST(QuantizationMethod, WantsSettingsForPackedTensors) {
  Checkpoint tensors = golden("gptq-4").tensors;
  EXPECT_ERROR(kCorruptModel, "tensor 'x.qweight' is packed by a quantisation, and config.json has no",
               (translator_of({Json::object(), "config.json"})(tensors), 0));
}

TEST(QuantizationMethod, LeavesMlxTensorsAlone) {
  // mlx-community keeps the word in models whose tensors it packed anew.
  Checkpoint tensors;
  tensors["x.weight"].dtype = "U32";
  tensors["x.scales"].dtype = "BF16";
  translator_of(config_of({{"quant_method", "compressed-tensors"}}))(tensors);
  EXPECT_EQ(tensors.size(), 2U);
}

TEST(QuantizationMethod, FollowsMlxWhereBothWordsAreThere) {
  const JsonFields config(Json{{"quantization", {{"bits", 4}, {"group_size", 64}}},
                               {"quantization_config", {{"quant_method", "bitsandbytes"}}}},
                          "config.json");
  Checkpoint tensors;
  EXPECT_NO_THROW(translator_of(config)(tensors));
}

/// The whole way: through WeightMap, which gives one tensor, counts it and says what it cost.
TEST(PackedLayers, AreTakenByTheShapeOfTheirElements) {
  const auto map_of = [](const char* name, bool expand_quantized = false) {
    return WeightMap("model", golden(name).tensors, {},
                     {.quantization = QuantizationConfig::parse(config_of(golden(name).quantization)),
                      .translate = translator_of(config_of(golden(name).quantization)),
                      .expand_quantized = expand_quantized});
  };
  WeightMap weights = map_of("gptq-4");
  EXPECT_EQ(weights.shape_of("x.weight"), (Shape{16, 64}));
  EXPECT_EQ(weights.num_parameters(), 1024U);
  EXPECT_EQ(weights.type_of_largest(), "4-bit GPTQ, groups of 32");
  EXPECT_NE(weights.take("x.weight", {16, 64}).quantization, nullptr);
  EXPECT_THAT(weights.expansions(), ::testing::IsEmpty());
  EXPECT_NO_THROW(weights.finish());

  WeightMap expanded = map_of("gptq-4", true);
  EXPECT_EQ(expanded.take("x.weight", {16, 64}).dtype, DType::kFloat32);
  EXPECT_THAT(expanded.expansions(), ::testing::IsEmpty());  // as was asked for

  WeightMap forced = map_of("ct-nvfp4");
  EXPECT_EQ(forced.take("x.weight", {8, 64}).quantization, nullptr);
  EXPECT_TRUE(forced.borrow("x.weight", {8, 64}).has_data());
  EXPECT_THAT(
      forced.expansions(),
      ::testing::ElementsAre(HasSubstr("1 weight(s) of the form nvfp4 of compressed-tensors are expanded to float32")));

  WeightMap misfit = map_of("awq-32");
  EXPECT_FALSE(misfit.take("x.weight", {8, 64}).has_data());
  EXPECT_ERROR(kCorruptModel, "x.weight: has shape [8, 128], wanted [8, 64]", (misfit.finish(), 0));
}

TEST(PackedLayers, ErrorsNameTheFolder) {
  Checkpoint tensors = golden("awq-32").tensors;
  tensors.erase("x.qzeros");
  EXPECT_ERROR(
      kCorruptModel, "the weights in some/model: tensor 'x.qzeros' is missing",
      WeightMap("some/model", tensors, {}, {.translate = translator_of(config_of(golden("awq-32").quantization))}));
}

}  // namespace
}  // namespace mlxe
