// Which tensors are quantised, cast and copied, and how they are spread over files.
#include "convert/plan.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "convert/recipes.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

StoredTensor stored(const char* word, DType dtype, Shape shape, bool supported = true) {
  StoredTensor tensor;
  tensor.dtype = word;
  tensor.supported = supported;
  tensor.tensor.dtype = dtype;
  tensor.tensor.shape = std::move(shape);
  static const std::vector<std::byte> kZeros(1 << 16);
  tensor.tensor.data = kZeros.data();
  return tensor;
}

StoredTensor f32(Shape shape) {
  return stored("F32", DType::kFloat32, std::move(shape));
}

PlanOptions to_4_bits(DType dtype = DType::kFloat16) {
  return {.dtype = dtype,
          .quantize = [](std::string_view) { return std::optional(QuantizationFormat{}); },
          .dequantize = false};
}

std::map<std::string, TensorAction> actions(const ConversionPlan& plan) {
  std::map<std::string, TensorAction> found;
  for (const PlannedTensor& planned : plan.tensors) {
    found[planned.name] = planned.action;
  }
  return found;
}

TEST(Plan, QuantizesMatricesThatAreCalledWeight) {
  const std::map<std::string, StoredTensor> checkpoint = {{"layer.weight", f32({8, 64})},
                                                          {"layer.bias", f32({64})},
                                                          {"norm.weight", f32({64})},
                                                          {"conv.weight", f32({8, 1, 64})},
                                                          {"experts.down_proj", f32({8, 64})},
                                                          {"mlp.router.weight", f32({8, 64})},
                                                          {"router.layer.weight", f32({4, 64})},
                                                          {"ids", stored("I64", DType::kInt64, {1, 64})},
                                                          {"mask", stored("BOOL", DType::kUInt8, {4}, false)}};
  const auto found = actions(plan_conversion(checkpoint, {}, to_4_bits()));
  EXPECT_EQ(found.at("layer.weight"), TensorAction::kQuantize);
  for (const char* cast :
       {"layer.bias", "norm.weight", "conv.weight", "experts.down_proj", "mlp.router.weight", "router.layer.weight"}) {
    EXPECT_EQ(found.at(cast), TensorAction::kCast) << cast;
  }
  EXPECT_EQ(found.at("ids"), TensorAction::kCopy);
  EXPECT_EQ(found.at("mask"), TensorAction::kCopy);
}

TEST(Plan, SaysWhichLayersTheGroupDoesNotDivide) {
  const ConversionPlan plan = plan_conversion({{"a.b.weight", f32({8, 96})}}, {}, to_4_bits());
  EXPECT_EQ(plan.tensors.front().action, TensorAction::kCast);
  EXPECT_EQ(plan.skipped, std::vector<std::string>{"a.b"});
  EXPECT_EQ(plan.messages.front(),
            "Skipping quantization of a.b: Last dimension 96 is not divisible by group size 64.");
}

TEST(Plan, KeepsTheCheckpointsTypesIfNoneIsAskedFor) {
  const auto plan = plan_conversion({{"a.weight", f32({8, 64})}, {"b", stored("BF16", DType::kBFloat16, {4})}}, {}, {});
  EXPECT_EQ(actions(plan).at("a.weight"), TensorAction::kCopy);
  EXPECT_EQ(outputs_of(plan.tensors[1]).front().dtype, "BF16");
}

TEST(Plan, RefusesNumbersWithoutAType) {
  EXPECT_ERROR(kUnsupported, "tensor 'x' has dtype F8_E4M3",
               plan_conversion({{"x", stored("F8_E4M3", DType::kUInt8, {4}, false)}}, {}, {}));
}

TEST(Plan, OutputsHaveLibmlxShapes) {
  const ConversionPlan plan = plan_conversion({{"a.weight", f32({8, 128})}}, {}, to_4_bits(DType::kBFloat16));
  const std::vector<OutputTensor> outputs = outputs_of(plan.tensors.front());
  ASSERT_EQ(outputs.size(), 3U);
  EXPECT_EQ(outputs[0].name, "a.weight");
  EXPECT_EQ(outputs[0].dtype, "U32");
  EXPECT_EQ(outputs[0].shape, (std::vector<std::size_t>{8, 16}));
  EXPECT_EQ(outputs[1].name, "a.scales");
  EXPECT_EQ(outputs[1].dtype, "BF16");
  EXPECT_EQ(outputs[1].shape, (std::vector<std::size_t>{8, 2}));
  EXPECT_EQ(outputs[2].name, "a.biases");
}

std::map<std::string, StoredTensor> quantized_checkpoint() {
  return {{"a.weight", stored("U32", DType::kUInt32, {8, 8})},
          {"a.scales", stored("F16", DType::kFloat16, {8, 1})},
          {"a.biases", stored("F16", DType::kFloat16, {8, 1})}};
}

QuantizationConfig config_of(const char* text) {
  return QuantizationConfig::parse(JsonFields(parse_json(text, "config"), "config"));
}

TEST(Plan, DequantizesIntoTheScalesType) {
  const auto config = config_of(R"({"quantization": {"bits": 4, "group_size": 64}})");
  const ConversionPlan plan = plan_conversion(quantized_checkpoint(), config, {.dequantize = true});
  ASSERT_EQ(plan.tensors.size(), 1U);
  const OutputTensor output = outputs_of(plan.tensors.front()).front();
  EXPECT_EQ(output.dtype, "F16");
  EXPECT_EQ(output.shape, (std::vector<std::size_t>{8, 64}));
}

TEST(Plan, RefusesWhatContradictsTheCheckpoint) {
  const auto config = config_of(R"({"quantization": {"bits": 4, "group_size": 64}})");
  EXPECT_ERROR(kInvalidInput, "quantised already", plan_conversion(quantized_checkpoint(), config, to_4_bits()));
  EXPECT_ERROR(kInvalidInput, "not quantised", plan_conversion({{"a", f32({4})}}, {}, {.dequantize = true}));
  const auto other = config_of(R"({"quantization": {"bits": 8, "group_size": 64}})");
  EXPECT_ERROR(kCorruptModel, "'a.weight' is packed with shape [8, 8]",
               plan_conversion(quantized_checkpoint(), other, {.dequantize = true}));
}

TEST(Shards, BeginWhereTheNextTensorWouldPassTheLimit) {
  const ConversionPlan plan =
      plan_conversion({{"a", f32({10})}, {"b", f32({10})}, {"c", f32({30})}, {"d", f32({1})}}, {}, {});
  EXPECT_EQ(assign_shards(plan.tensors, 80), (std::vector<std::size_t>{0, 0, 1, 2}));  // 40 40 | 120 | 4
  EXPECT_EQ(assign_shards(plan.tensors, 1000), (std::vector<std::size_t>{0, 0, 0, 0}));
}

TEST(Recipe, GivesMoreBitsToTheEndsAndEveryThirdBlock) {
  const std::vector<std::string> paths = {"model.embed_tokens", "model.layers.0.mlp.down_proj"};
  const auto recipe = mixed_recipe("mixed_3_6", 64, paths, 16);  // an eighth is 2 blocks
  const auto bits = [&](const std::string& path) { return recipe(path)->bits; };
  std::string high;
  for (int block = 0; block < 16; ++block) {
    const std::string path = "model.layers." + std::to_string(block);
    high += bits(path + ".self_attn.v_proj") == 6 ? '6' : '3';
    EXPECT_EQ(bits(path + ".mlp.down_proj"), bits(path + ".self_attn.v_proj"));
    EXPECT_EQ(bits(path + ".self_attn.q_proj"), 3);
  }
  EXPECT_EQ(high, "6633633633633666");
  EXPECT_EQ(bits("lm_head"), 6);
  EXPECT_EQ(bits("model.embed_tokens"), 3);
  EXPECT_EQ(mixed_recipe("mixed_3_4", 64, paths, 16)("lm_head")->bits, 4);
}

TEST(Recipe, IsForDecodersOnly) {
  EXPECT_ERROR(kInvalidInput, "has none", mixed_recipe("mixed_2_6", 64, {"encoder.layer.0.output.dense"}, 12));
  EXPECT_ERROR(kInvalidInput, "there is no recipe 'mixed'", mixed_recipe("mixed", 64, {"down_proj"}, 12));
}

}  // namespace
}  // namespace mlxe
