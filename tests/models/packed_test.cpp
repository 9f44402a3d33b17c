// Quantised checkpoints: every architecture gives the same numbers for weights that stay packed as for expanded ones.
#include <algorithm>
#include <cmath>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "models/oracle_outputs.h"
#include "support/packed_folder.h"

namespace mlxe::testing {
namespace {

// The elements are the same float32 numbers; only the order of sums may differ, as it does from the oracles.
constexpr float kTolerance = 5e-6F;
constexpr float kLogitTolerance = 5e-5F;

struct PackedParameter {
  OracleFixture fixture;
  Device device;
};
void PrintTo(const PackedParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string();
}

// Whole checkpoints that are not packed yet and have rows of whole groups; static embeddings have no matrix X.weight.
std::vector<OracleFixture> packable() {
  std::vector<OracleFixture> fixtures = own_fixtures();
  std::erase_if(fixtures, [](const OracleFixture& fixture) {
    const std::filesystem::path config = fixture.folder / "config.json";
    return fixture.is_multi_vector || fixture.model_type == "model2vec" || !std::filesystem::exists(config) ||
           load_json(config).contains("quantization") || load_json(config).contains("quantization_config") ||
           std::ranges::none_of(read_checkpoint(fixture.folder),
                                [](const auto& entry) { return is_packable(entry.first, entry.second.tensor); });
  });
  return fixtures;
}

std::vector<PackedParameter> all_packable() {
  std::vector<PackedParameter> parameters;
  for (const OracleFixture& fixture : packable()) {
    for (const Device device : devices()) {
      parameters.push_back({fixture, device});
    }
  }
  return parameters;
}

class Packed : public ::testing::TestWithParam<PackedParameter> {};
INSTANTIATE_TEST_SUITE_P(Fixtures, Packed, ::testing::ValuesIn(all_packable()), [](const auto& parameter) {
  return fmt::format("{}__{}", parameter.param.fixture.name, device_name(parameter.param.device));
});

TEST_P(Packed, GivesTheNumbersOfExpandedWeights) {
  const OracleFixture& fixture = GetParam().fixture;
  const TemporaryFolder packed = packed_folder(fixture.folder);
  const Json& test_case = fixture.cases.front();
  const std::string kind = test_case.at("kind");
  const Output output = output_of(kind);
  Inputs inputs;
  inputs.add(test_case);
  const auto numbers = [&](bool expand) {
    LoadOptions options = load_options(GetParam().device, task_of(fixture, kind));
    options.expand_quantized = expand;
    return rows_of(Engine::load(packed.path().string(), options), output, inputs);
  };
  const Rows wanted = numbers(true);
  const Rows actual = numbers(false);
  ASSERT_EQ(actual.size(), inputs.size());
  const float tolerance = output == Output::kVectors ? kTolerance : kLogitTolerance;
  for (std::size_t row = 0; row < actual.size(); ++row) {
    ASSERT_EQ(actual[row].size(), wanted[row].size());
    for (std::size_t i = 0; i < actual[row].size(); ++i) {
      ASSERT_NEAR(actual[row][i], wanted[row][i], tolerance * std::max(1.0F, std::abs(wanted[row][i])))
          << "input " << row << ", number " << i;
    }
  }
}

TEST(PackedFixtures, AreThereForEveryArchitecture) {
  std::set<std::string> types = {"model2vec"};
  for (const OracleFixture& fixture : packable()) {
    types.insert(fixture.model_type);
  }
  const std::vector<std::string> wanted = supported_model_types();
  EXPECT_EQ(types, std::set<std::string>(wanted.begin(), wanted.end()));
}

}  // namespace
}  // namespace mlxe::testing
