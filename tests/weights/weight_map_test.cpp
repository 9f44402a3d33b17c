// WeightMap: each weight taken once, and one error for everything that does not fit.
#include "weights/weight_map.h"

#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "support/expect_error.h"
#include "weights/safetensors_bytes.h"

namespace mlxe {
namespace {

using mlxe::testing::ListedTensor;
using mlxe::testing::ScratchFolder;
using mlxe::testing::zeros;

WeightMap weights_of(const std::vector<ListedTensor>& tensors, const NameRule& rule = {}) {
  const ScratchFolder folder;  // gone when this returns: the mapping outlives it
  folder.write("model.safetensors", mlxe::testing::safetensors_bytes(tensors));
  return WeightMap(folder.path(), rule);
}

/// "bert.x" -> "x"; "position_ids" is not wanted.
std::optional<std::string> bert_rule(std::string_view name) {
  if (name == "position_ids") {
    return std::nullopt;
  }
  return std::string(name.starts_with("bert.") ? name.substr(5) : name);
}

TEST(WeightMap, GivesTensorsOfTheWantedShape) {
  WeightMap weights = weights_of({{"w", "F32", "[2, 1]", std::string("\0\0\x80\x3F\0\0\0\0", 8)}});
  const HostTensor tensor = weights.take("w", {2, 1});
  ASSERT_TRUE(tensor.has_data());
  EXPECT_EQ(tensor.shape, (Shape{2, 1}));
  EXPECT_EQ(static_cast<int>(tensor.data[2]), 0x80);
  EXPECT_NO_THROW(weights.finish());
}

TEST(WeightMap, TakesAllThreeFloatingPointTypes) {
  WeightMap weights = weights_of({{"a", "F32", "[1]", "1234"}, {"b", "F16", "[1]", "12"}, {"c", "BF16", "[1]", "12"}});
  EXPECT_EQ(weights.take("a", {1}).dtype, DType::kFloat32);
  EXPECT_EQ(weights.take("b", {1}).dtype, DType::kFloat16);
  EXPECT_EQ(weights.take("c", {1}).dtype, DType::kBFloat16);
  EXPECT_NO_THROW(weights.finish());
}

TEST(WeightMap, AnswersWithoutTaking) {
  const WeightMap weights = weights_of({zeros("w", {2, 3})});
  EXPECT_TRUE(weights.has("w"));
  EXPECT_FALSE(weights.has("v"));
  EXPECT_EQ(weights.shape_of("w"), (Shape{2, 3}));
  EXPECT_EQ(weights.shape_of("v"), std::nullopt);
  EXPECT_ERROR(kCorruptModel, "unexpected", weights.finish());
}

TEST(WeightMap, TakesWhatMayBeAbsentOnlyIfItIsThere) {
  WeightMap weights = weights_of({zeros("w", {1})});
  EXPECT_TRUE(weights.take_if_present("w", {1}).value().has_data());
  EXPECT_EQ(weights.take_if_present("v", {1}), std::nullopt);
  EXPECT_NO_THROW(weights.finish());
}

TEST(WeightMap, NotesAWrongShapeOfWhatMayBeAbsent) {
  WeightMap weights = weights_of({zeros("w", {1})});
  EXPECT_FALSE(weights.take_if_present("w", {2}).value().has_data());
  EXPECT_ERROR(kCorruptModel, "w: has shape [1], wanted [2]", weights.finish());
}

TEST(WeightMap, TakesIndicesOfBothWidths) {
  WeightMap weights = weights_of({{"wide", "I64", "[2]", std::string("\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)},
                                  {"narrow", "I32", "[2]", std::string("\1\0\0\0\2\0\0\0", 8)}});
  EXPECT_EQ(weights.take_indices("wide", 2, 4), (std::vector<std::int32_t>{3, 0}));
  EXPECT_EQ(weights.take_indices("narrow", 2, 3), (std::vector<std::int32_t>{1, 2}));
  EXPECT_NO_THROW(weights.finish());
  EXPECT_ERROR(kInternal, "'wide' was taken twice", weights.take_indices("wide", 2, 4));
}

TEST(WeightMap, NotesIndicesThatDoNotFit) {
  WeightMap weights = weights_of({{"high", "I32", "[2]", std::string("\1\0\0\0\2\0\0\0", 8)},
                                  {"negative", "I32", "[1]", std::string("\xFF\xFF\xFF\xFF", 4)},
                                  {"short", "I32", "[1]", std::string("\1\0\0\0", 4)},
                                  zeros("floats", {2})});
  for (const char* name : {"high", "short", "floats", "absent"}) {
    EXPECT_EQ(weights.take_indices(name, 2, 2), (std::vector<std::int32_t>{0, 0})) << name;
  }
  EXPECT_EQ(weights.take_indices("negative", 1, 2), (std::vector<std::int32_t>{0}));
  EXPECT_ERROR(kCorruptModel, "high: has 2 at 1, wanted 0 to 1", weights.finish());
  EXPECT_ERROR(kCorruptModel, "negative: has -1 at 0", weights.finish());
  EXPECT_ERROR(kCorruptModel, "short: is int32 of shape [1], wanted int64 or int32 of shape [2]", weights.finish());
  EXPECT_ERROR(kCorruptModel, "floats: is float32 of shape [2]", weights.finish());
  EXPECT_ERROR(kCorruptModel, "absent: wanted [2]", weights.finish());
}

TEST(WeightMap, RefusesToGiveAWeightTwice) {
  WeightMap weights = weights_of({zeros("w", {1})});
  static_cast<void>(weights.take("w", {1}));
  EXPECT_ERROR(kInternal, "weight 'w' was taken twice", weights.take("w", {1}));
}

TEST(WeightMap, GivesTheWantedShapeWithoutDataForWhatDoesNotFit) {
  WeightMap weights = weights_of({zeros("w", {2, 3})});
  for (const char* const name : {"w", "v"}) {
    const HostTensor tensor = weights.take(name, {3, 2});
    EXPECT_FALSE(tensor.has_data());
    EXPECT_EQ(tensor.shape, (Shape{3, 2}));
  }
}

TEST(WeightMap, ListsEveryProblemInOneError) {
  WeightMap weights = weights_of({zeros("fits", {1}),
                                  zeros("flat", {6}),
                                  zeros("extra", {4, 5}),
                                  {"coarse", "F8_E4M3", "[2]", "12"},
                                  {"ids", "I64", "[1]", "12345678"},
                                  {"double", "F64", "[1]", "12345678"}});
  static_cast<void>(weights.take("fits", {1}));
  static_cast<void>(weights.take("flat", {2, 3}));
  static_cast<void>(weights.take("gone", {7, 8}));
  static_cast<void>(weights.take("coarse", {2}));
  static_cast<void>(weights.take("ids", {1}));
  const std::string message = mlxe::testing::message_of_error(ErrorCode::kCorruptModel, [&] { weights.finish(); });
  EXPECT_EQ(message.substr(message.find(" do not fit")),
            " do not fit the model: 1 missing, 3 misfit, 2 unexpected\n"
            "  missing     gone: wanted [7, 8]\n"
            "  misfit      flat: has shape [6], wanted [2, 3]\n"
            "  misfit      coarse: has dtype F8_E4M3, wanted float32, float16 or bfloat16\n"
            "  misfit      ids: has dtype int64, wanted float32, float16 or bfloat16\n"
            "  unexpected  double: F64 of shape [1]\n"
            "  unexpected  extra: float32 of shape [4, 5]");
}

TEST(WeightMap, ShortensTheListPerKind) {
  std::vector<ListedTensor> tensors;
  for (int i = 0; i < 20; ++i) {
    tensors.push_back(zeros(fmt::format("extra{:02}", i), {1}));
  }
  WeightMap weights = weights_of(tensors);
  for (int i = 0; i < 16; ++i) {
    static_cast<void>(weights.take(fmt::format("gone{:02}", i), {1}));
  }
  const std::string message = mlxe::testing::message_of_error(ErrorCode::kCorruptModel, [&] { weights.finish(); });
  EXPECT_THAT(message, ::testing::HasSubstr("16 missing, 0 misfit, 20 unexpected"));
  EXPECT_THAT(message, ::testing::HasSubstr("gone14: wanted [1]\n  missing     ... and 1 more\n"));
  EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("gone15")));
  EXPECT_THAT(message, ::testing::EndsWith("extra14: float32 of shape [1]\n  unexpected  ... and 5 more"));
}

TEST(WeightMap, RenamesByTheRuleAndDropsWhatIsNotWanted) {
  WeightMap weights = weights_of({zeros("bert.w", {1}), {"position_ids", "I64", "[1]", "12345678"}}, bert_rule);
  EXPECT_FALSE(weights.has("bert.w"));
  EXPECT_TRUE(weights.take("w", {1}).has_data());
  EXPECT_NO_THROW(weights.finish());
}

TEST(WeightMap, ShowsTheFilesNameWhereItDiffers) {
  WeightMap weights = weights_of({zeros("bert.w", {1}), zeros("bert.extra", {1})}, bert_rule);
  static_cast<void>(weights.take("w", {2}));
  const std::string message = mlxe::testing::message_of_error(ErrorCode::kCorruptModel, [&] { weights.finish(); });
  EXPECT_THAT(message, ::testing::HasSubstr("w (in the file: bert.w): has shape [1], wanted [2]"));
  EXPECT_THAT(message, ::testing::HasSubstr("extra (in the file: bert.extra): float32"));
}

TEST(WeightMap, RefusesTwoTensorsOfOneWeight) {
  EXPECT_ERROR(kCorruptModel, "tensors 'bert.w' and 'w' are both the model's weight 'w'",
               weights_of({zeros("w", {1}), zeros("bert.w", {1})}, bert_rule));
}

TEST(WeightMap, CountsTheModelsFloatingPointParameters) {
  const WeightMap weights = weights_of({zeros("a", {2, 3}),
                                        {"b", "F16", "[]", "12"},
                                        {"c", "U8", "[5]", "12345"},
                                        {"d", "F64", "[1]", "12345678"},
                                        {"position_ids", "F32", "[1]", "1234"}},
                                       bert_rule);
  EXPECT_EQ(weights.num_parameters(), 7);  // 6 of a and 1 of b
}

TEST(WeightMap, KnowsTheTypeOfTheLargestTensor) {
  EXPECT_EQ(weights_of({zeros("a", {1}), {"b", "BF16", "[2]", "1234"}}).type_of_largest(), "bfloat16");
  EXPECT_EQ(weights_of({zeros("a", {3}), {"b", "BF16", "[2]", "1234"}}).type_of_largest(), "float32");
  EXPECT_EQ(weights_of({}).type_of_largest(), "");
}

TEST(WeightMap, KnowsTheFloatingPointTypeOfTheLargestTensorThatHasOne) {
  EXPECT_EQ(weights_of({zeros("a", {1}), {"b", "BF16", "[2]", "1234"}}).float_type(), DType::kBFloat16);
  EXPECT_EQ(weights_of({{"a", "F16", "[1]", "12"}, {"b", "I64", "[2]", std::string(16, 0)}}).float_type(),
            DType::kFloat16);
  EXPECT_EQ(weights_of({{"a", "U8", "[1]", "1"}}).float_type(), DType::kFloat32);
}

TEST(WeightMap, TakesNoTypeFromATensorThatIsLeftOver) {
  WeightMap weights = weights_of({{"a", "F16", "[1]", "12"}, zeros("head.b", {2})});
  weights.allow_unused("head.");
  EXPECT_EQ(weights.float_type(), DType::kFloat16);
}

}  // namespace
}  // namespace mlxe
