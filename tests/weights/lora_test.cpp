// LoRA: what peft writes comes to weight + alpha / r * B A, and nothing else is taken for it.
#include "weights/lora.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
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

ListedTensor floats(std::string name, const std::string& shape, std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return {std::move(name), "F32", shape, bytes};
}

std::vector<float> values_of(const HostTensor& tensor) {
  std::vector<float> values(num_elements(tensor.shape));
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(float));
  return values;
}

/// A base of one layer "q" [2, 3], and an adapter of rank 1 for it.
class Lora : public ::testing::Test {
 protected:
  Lora() {
    base_.write("model.safetensors", mlxe::testing::safetensors_bytes({floats("q.weight", "[2, 3]", {1, 2, 3, 4, 5, 6}),
                                                                       floats("q.bias", "[2]", {10, 20})}));
  }

  void write_config(const std::string& more = "") const {
    adapter_.write("adapter_config.json",
                   R"({"peft_type": "LORA", "r": 1, "lora_alpha": 2, "base_model_name_or_path": "base")" + more + "}");
  }
  void write_weights(const std::vector<ListedTensor>& tensors) const {
    adapter_.write("adapter_model.safetensors", mlxe::testing::safetensors_bytes(tensors));
  }
  void write_plain() const {
    write_weights({floats("base_model.model.q.lora_A.weight", "[1, 3]", {1, 0, 2}),
                   floats("base_model.model.q.lora_B.weight", "[2, 1]", {3, -1})});
  }
  WeightMap merged(const NameRule& rule = {}) const {
    WeightMap weights(base_.path(), rule);
    num_changed_ = merge_lora(adapter_.path(), read_lora_config(adapter_.path()), weights, rule);
    return weights;
  }

  ScratchFolder base_;
  ScratchFolder adapter_;
  mutable std::size_t num_changed_ = 0;
};

TEST_F(Lora, AddsTheScaledProduct) {
  write_config();
  write_plain();
  WeightMap weights = merged();
  // B A = [3 0 6; -1 0 -2], times alpha / r = 2
  EXPECT_EQ(values_of(weights.take("q.weight", {2, 3})), (std::vector<float>{7, 2, 15, 2, 5, 2}));
  EXPECT_EQ(values_of(weights.take("q.bias", {2})), (std::vector<float>{10, 20}));
  EXPECT_EQ(num_changed_, 1U);
  EXPECT_NO_THROW(weights.finish());
}

TEST_F(Lora, TakesTheAdaptersNameInAKeyForPartOfIt) {
  write_config();
  write_weights({floats("base_model.model.q.lora_A.default.weight", "[1, 3]", {1, 0, 2}),
                 floats("base_model.model.q.lora_B.default.weight", "[2, 1]", {3, -1})});
  EXPECT_EQ(values_of(merged().take("q.weight", {2, 3})), (std::vector<float>{7, 2, 15, 2, 5, 2}));
}

TEST_F(Lora, MayBeOf16Bits) {
  write_config();
  // 1, 0, 2 and 3, -1 in either format; the base stays float32.
  const auto halves = [](std::initializer_list<std::uint16_t> bits) {
    std::string bytes(bits.size() * sizeof(std::uint16_t), '\0');
    std::memcpy(bytes.data(), bits.begin(), bytes.size());
    return bytes;
  };
  write_weights({{"base_model.model.q.lora_A.weight", "F16", "[1, 3]", halves({0x3C00, 0, 0x4000})},
                 {"base_model.model.q.lora_B.weight", "BF16", "[2, 1]", halves({0x4040, 0xBF80})}});
  EXPECT_EQ(values_of(merged().take("q.weight", {2, 3})), (std::vector<float>{7, 2, 15, 2, 5, 2}));
}

TEST_F(Lora, NamesGoThroughTheModelsRule) {
  write_config();
  write_weights({floats("base_model.model.bert.q.lora_A.weight", "[1, 3]", {1, 0, 2}),
                 floats("base_model.model.bert.q.lora_B.weight", "[2, 1]", {3, -1})});
  const NameRule rule = [](std::string_view name) {
    return std::optional<std::string>(name.starts_with("bert.") ? name.substr(5) : name);
  };
  EXPECT_EQ(values_of(merged(rule).take("q.weight", {2, 3})), (std::vector<float>{7, 2, 15, 2, 5, 2}));
}

TEST_F(Lora, RankStabilisedScaleDividesByTheSquareRoot) {
  write_config();
  adapter_.write("adapter_config.json", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "use_rslora": true})");
  EXPECT_FLOAT_EQ(read_lora_config(adapter_.path()).scale_of("q"), 3.0F);
}

TEST_F(Lora, PatternsNameTheEndOfAModule) {
  write_config(R"(, "alpha_pattern": {"self.q": 8}, "rank_pattern": {"q": 2})");
  const LoraConfig config = read_lora_config(adapter_.path());
  EXPECT_FLOAT_EQ(config.scale_of("layer.0.self.q"), 4.0F);
  EXPECT_FLOAT_EQ(config.scale_of("layer.0.other.q"), 1.0F);
  EXPECT_FLOAT_EQ(config.scale_of("layer.0.myself.q"), 1.0F);
  EXPECT_EQ(config.rank_of("k"), 1);
}

TEST_F(Lora, RefusesAModuleOfTwoPatternsThatDisagree) {
  write_config(R"(, "alpha_pattern": {"self.q": 8, "q": 2}, "rank_pattern": {"q": 2, "self.q": 2})");
  const LoraConfig config = read_lora_config(adapter_.path());
  EXPECT_FLOAT_EQ(config.scale_of("other.q"), 1.0F);
  EXPECT_EQ(config.rank_of("layer.0.self.q"), 2) << "the two say the same";
  EXPECT_ERROR(kUnsupported, "layer.0.self.q: the patterns 'q' and 'self.q' give it 2 and 8",
               config.scale_of("layer.0.self.q"));
}

TEST_F(Lora, AnEmbeddingsShareIsTransposed) {
  write_config();
  write_weights({floats("base_model.model.q.lora_embedding_A", "[1, 2]", {3, -1}),
                 floats("base_model.model.q.lora_embedding_B", "[3, 1]", {1, 0, 2})});
  EXPECT_EQ(values_of(merged().take("q.weight", {2, 3})), (std::vector<float>{7, 2, 15, 2, 5, 2}));
}

TEST_F(Lora, WholeTensorsReplaceOrJoinTheBases) {
  write_config();
  write_weights({floats("base_model.model.q.base_layer.bias", "[2]", {7, 8}),
                 floats("base_model.model.head.modules_to_save.default.weight", "[1]", {9}),
                 floats("base_model.model.head.original_module.weight", "[1]", {0})});
  WeightMap weights = merged();
  EXPECT_EQ(values_of(weights.take("q.bias", {2})), (std::vector<float>{7, 8}));
  EXPECT_EQ(values_of(weights.take("head.weight", {1})), (std::vector<float>{9}));
  static_cast<void>(weights.take("q.weight", {2, 3}));
  EXPECT_NO_THROW(weights.finish()) << "original_module is a copy of the base's own";
}

TEST_F(Lora, ABiasOfBIsScaledToo) {
  write_config();
  write_weights({floats("base_model.model.q.lora_A.weight", "[1, 3]", {0, 0, 0}),
                 floats("base_model.model.q.lora_B.weight", "[2, 1]", {0, 0}),
                 floats("base_model.model.q.lora_B.bias", "[2]", {1, -1})});
  EXPECT_EQ(values_of(merged().take("q.bias", {2})), (std::vector<float>{12, 18}));
}

TEST_F(Lora, ListsKeysThatFitNoWeight) {
  write_config();
  write_weights({floats("base_model.model.k.lora_A.weight", "[1, 3]", {1, 0, 2}),
                 floats("base_model.model.k.lora_B.weight", "[2, 1]", {3, -1}),
                 floats("base_model.model.q.lora_A.weight", "[1, 2]", {1, 0}),
                 floats("base_model.model.q.lora_B.weight", "[2, 1]", {3, -1})});
  EXPECT_ERROR(kCorruptModel, "k.weight: the base model has no such weight", merged());
  EXPECT_ERROR(kCorruptModel, "do not fit the weight of shape [2, 3]", merged());
}

TEST_F(Lora, RefusesHalfAPairAndAnotherRank) {
  write_config();
  write_weights({floats("base_model.model.q.lora_A.weight", "[1, 3]", {1, 0, 2})});
  EXPECT_ERROR(kCorruptModel, "q: has lora_A and no lora_B", merged());
  write_weights({floats("base_model.model.q.lora_B.weight", "[2, 1]", {3, -1})});
  EXPECT_ERROR(kCorruptModel, "q: has lora_B and no lora_A", merged());
  write_weights({floats("base_model.model.q.lora_B.bias", "[2]", {1, -1})});
  EXPECT_ERROR(kCorruptModel, "q: has lora_B.bias and no lora_A and lora_B", merged());
  write_weights({floats("base_model.model.q.lora_A.weight", "[2, 3]", {1, 0, 2, 0, 0, 0}),
                 floats("base_model.model.q.lora_B.weight", "[2, 2]", {3, -1, 0, 0})});
  EXPECT_ERROR(kCorruptModel, "q: has rank 2, adapter_config.json says 1", merged());
}

TEST_F(Lora, RefusesAnAdapterThatChangesNothing) {
  write_config();
  write_plain();
  const NameRule drops_all = [](std::string_view /*name*/) { return std::optional<std::string>(); };
  EXPECT_ERROR(kCorruptModel, "changes none of the model's weights", merged(drops_all));
  write_weights({});
  EXPECT_ERROR(kCorruptModel, "changes none of the model's weights", merged());
}

TEST_F(Lora, RefusesTwoModulesOfOneWeight) {
  write_config();
  write_weights({floats("base_model.model.q.lora_A.weight", "[1, 3]", {1, 0, 2}),
                 floats("base_model.model.q.lora_B.weight", "[2, 1]", {3, -1}),
                 floats("base_model.model.bert.q.lora_A.weight", "[1, 3]", {1, 0, 2}),
                 floats("base_model.model.bert.q.lora_B.weight", "[2, 1]", {3, -1})});
  const NameRule rule = [](std::string_view name) {
    return std::optional<std::string>(name.starts_with("bert.") ? name.substr(5) : name);
  };
  WeightMap weights = merged(rule);
  static_cast<void>(weights.take("q.weight", {2, 3}));
  static_cast<void>(weights.take("q.bias", {2}));
  EXPECT_ERROR(kCorruptModel, "q.weight: is changed twice", weights.finish());
}

TEST_F(Lora, RefusesOtherAdaptersByName) {
  for (const char* key : {"use_dora", "use_qalora"}) {
    write_config(std::string(", \"") + key + "\": true");
    EXPECT_ERROR(kUnsupported, key, read_lora_config(adapter_.path()));
  }
  write_config(R"(, "init_lora_weights": "pissa_niter_16")");
  EXPECT_ERROR(kUnsupported, "pissa_niter_16", read_lora_config(adapter_.path()));
  write_config(R"(, "alpha_pattern": {"q|k": 8})");
  EXPECT_ERROR(kUnsupported, "q|k", read_lora_config(adapter_.path()));
  adapter_.write("adapter_config.json", R"({"peft_type": "IA3"})");
  EXPECT_ERROR(kUnsupported, "IA3", read_lora_config(adapter_.path()));
  write_config(R"(, "init_lora_weights": true, "use_dora": false, "layer_replication": null, "alpha_pattern": {})");
  write_weights({floats("base_model.model.q.lora_magnitude_vector", "[2]", {1, 1})});
  EXPECT_ERROR(kUnsupported, "DoRA", merged());
}

TEST_F(Lora, ExplainsPickledAdapters) {
  write_config();
  EXPECT_ERROR(kCorruptModel, "has no adapter_model.safetensors", merged());
  adapter_.write("adapter_model.bin", "x");
  EXPECT_ERROR(kUnsupported, "never read", merged());
}

}  // namespace
}  // namespace mlxe
