// Defaults: a config.json without the words that transformers would fill in itself is the same model, bit for bit.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/make_backend.h"
#include "mlxe/error.h"
#include "models/architecture.h"
#include "support/oracle_fixture.h"

namespace mlxe::testing {
namespace {

struct Checkpoint {
  std::string name;
  Json config;
  std::vector<std::string> spare;  ///< words of it that transformers would fill in itself
  Json other;                      ///< words of it that say something else than transformers would, and what that is
  HeadSpec head;
};
void PrintTo(const Checkpoint& checkpoint, std::ostream* out) {
  *out << checkpoint.name;
}

// Any head that the checkpoint has cases of.
HeadSpec head_of(const std::filesystem::path& folder) {
  const Json all_cases = load_json(folder / "cases.json");
  for (const Json& test_case : all_cases.at("cases")) {
    const std::string kind = test_case.at("kind");
    const auto labels = [&] { return test_case.at("tensors").at("logits").at("shape").back().get<int>(); };
    if (kind == "tokenize+classify" || kind == "tokenize+classify_pairs") {
      return {.kind = HeadKind::kSequence, .num_labels = labels()};
    }
    if (kind == "tokenize+token_logits") {
      return {.kind = HeadKind::kToken, .num_labels = labels()};
    }
    if (kind == "tokenize+mlm_logits") {
      return {.kind = HeadKind::kMaskedLm};
    }
    if (kind == "rerank_yes_no") {
      return {.kind = HeadKind::kNextToken, .token_ids = {7, 2}};
    }
  }
  return {};
}

// make_fixture.py --defaults has asked transformers.
void compare_with_defaults(Checkpoint& checkpoint, const Json& all_defaults) {
  const Json& config = checkpoint.config;
  const auto defaults = all_defaults.find(config.at("model_type").get<std::string>());
  // Codes are taken apart by what the engine knows of the folder.
  if (defaults == all_defaults.end() || config.contains("quantization") || config.contains("quantization_config")) {
    return;
  }
  for (const auto& [key, value] : defaults->items()) {
    // The width of keys stands in the weights, too, and is checked against them.
    if (!config.contains(key) || key == "num_key_value_heads") {
      continue;
    }
    if (config.at(key) == value) {
      checkpoint.spare.push_back(key);
    } else {
      checkpoint.other[key] = value;
    }
  }
}

std::vector<Checkpoint> checkpoints() {
  std::vector<Checkpoint> found;
  const Json all_defaults = load_json("tests/fixtures/config_defaults.json");
  for (const auto& entry : std::filesystem::directory_iterator("tests/fixtures")) {
    if (!std::filesystem::exists(entry.path() / "config.json") ||
        !std::filesystem::exists(entry.path() / "cases.json")) {
      continue;
    }
    Checkpoint checkpoint = {.name = entry.path().filename().string(),
                             .config = load_json(entry.path() / "config.json"),
                             .spare = {},
                             .other = Json::object(),
                             .head = head_of(entry.path())};
    compare_with_defaults(checkpoint, all_defaults);
    if (!checkpoint.spare.empty()) {
      found.push_back(std::move(checkpoint));
    }
  }
  std::ranges::sort(found, {}, &Checkpoint::name);
  return found;
}

std::vector<float> numbers_of(const Checkpoint& checkpoint, const Json& config) {
  const std::unique_ptr<Backend> backend =
      make_backend({.device = Device::kCpu, .precision = Precision::kFp32, .threads = 1});
  const Architecture& architecture = find_architecture(config.at("model_type").get<std::string>());
  WeightMap weights("tests/fixtures/" + checkpoint.name, architecture.weight_name);
  weights.allow_unused("linear.");  // ColBERT's, which the engine takes
  const std::unique_ptr<Model> model =
      architecture.make(JsonFields(config, "config.json"), weights, *backend, checkpoint.head);
  weights.finish();
  PackedBatch batch;
  for (std::int32_t token = 0; token < 40; ++token) {
    batch.token_ids.push_back(token % model->traits().vocab_size);
  }
  batch.token_ids.insert(batch.token_ids.end(), {5, 9, 3});
  batch.offsets = {0, 40, 43};
  batch.type_ids.resize(batch.token_ids.size());
  std::vector<float> values;
  backend->run(1, [&](Ops& ops, std::size_t) {
    const Tensor result =
        checkpoint.head.kind == HeadKind::kNone ? model->forward(ops, batch, {}) : forward_logits(*model, ops, batch);
    values.resize(static_cast<std::size_t>(result.rows()) * static_cast<std::size_t>(result.columns()));
    ops.read(result, values);
  });
  return values;
}

class Defaults : public ::testing::TestWithParam<Checkpoint> {};
INSTANTIATE_TEST_SUITE_P(Oracle, Defaults, ::testing::ValuesIn(checkpoints()),
                         [](const auto& parameter) { return test_name(parameter.param.name); });

TEST_P(Defaults, AreThoseOfTransformers) {
  const Checkpoint& checkpoint = GetParam();
  Json shorter = checkpoint.config;
  for (const std::string& word : checkpoint.spare) {
    shorter.erase(word);
  }
  EXPECT_EQ(numbers_of(checkpoint, shorter), numbers_of(checkpoint, checkpoint.config))
      << "without " << ::testing::PrintToString(checkpoint.spare);
}

/// Nothing, and why, where the weights contradict the configuration or the model wants to be told.
std::pair<std::vector<float>, std::string> outcome(const Checkpoint& checkpoint, const Json& config) {
  try {
    return {numbers_of(checkpoint, config), ""};
  } catch (const Error& error) {
    return {{}, error.what()};
  }
}

TEST_P(Defaults, AreTakenWhereTheCheckpointSaysSomethingElse) {
  const Checkpoint& checkpoint = GetParam();
  for (const auto& [key, value] : checkpoint.other.items()) {
    Json written = checkpoint.config;
    written[key] = value;
    const auto [wanted, contradiction] = outcome(checkpoint, written);
    if (!contradiction.empty()) {  // a size
      continue;
    }
    Json absent = checkpoint.config;
    absent.erase(key);
    const auto [found, refusal] = outcome(checkpoint, absent);
    if (refusal.find(fmt::format("'{}' is missing", key)) == std::string::npos) {
      EXPECT_EQ(refusal, "") << key;
      EXPECT_EQ(found, wanted) << key << " of " << value;
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
