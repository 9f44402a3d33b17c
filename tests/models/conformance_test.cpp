// Conformance: every checkpoint with goldens gives the oracle's ids and numbers on every backend.
#include <array>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "models/oracle_checks.h"

namespace mlxe::testing {
namespace {

// Settings of a case that are honoured below, or that only describe how the oracle was asked.
const std::set<std::string> kKnownSettings = {
    "name",    "kind",   "texts",        "tensors",        "max_length", "prompt",     "prompt_name",
    "pooling", "api",    "padding_side", "max_seq_length", "pairs",      "truncation", "instruction",
    "prefix",  "suffix", "yes_id",       "no_id",          "formatted",  "activation", "truncate_dim"};

struct CaseParameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
  Precision precision;
};
void PrintTo(const CaseParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::string name_of(const ::testing::TestParamInfo<CaseParameter>& parameter) {
  const auto& [fixture, test_case, device, precision] = parameter.param;
  return fmt::format("{}__{}__{}", fixture.name, test_name(test_case.at("name").get<std::string>()),
                     column_name(device, precision));
}

Engine load(const CaseParameter& parameter) {
  const std::string kind = parameter.test_case.at("kind");
  LoadOptions options = load_options(parameter.device, task_of(parameter.fixture, kind));
  options.precision = parameter.precision;
  if (parameter.test_case.contains("pooling") && output_of(kind) == Output::kVectors) {
    options.pooling = parameter.test_case.at("pooling").get<std::string>();
  }
  return Engine::load(parameter.fixture.folder.string(), options);
}

void add_cases(std::vector<CaseParameter>& parameters, const OracleFixture& fixture, Device device,
               Precision precision) {
  for (const Json& test_case : fixture.cases) {
    parameters.push_back({fixture, test_case, device, precision});
  }
}

std::vector<CaseParameter> all_cases() {
  std::vector<CaseParameter> parameters;
  for (const OracleFixture& fixture : all_fixtures()) {
    for (const Device device : devices()) {
      add_cases(parameters, fixture, device, Precision::kFp32);
    }
  }
  return parameters;
}

class OracleCase : public ::testing::TestWithParam<CaseParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleCase, ::testing::ValuesIn(all_cases()), name_of);

TEST_P(OracleCase, MatchesTheOracle) {
  const CaseParameter& parameter = GetParam();
  for (const auto& [key, value] : parameter.test_case.items()) {
    ASSERT_TRUE(kKnownSettings.contains(key)) << "cases.json has a setting that this test does not honour: " << key;
  }
  const Engine engine = load(parameter);
  Judge judge(parameter.fixture, parameter.precision);
  OracleCheck(engine, parameter.fixture, parameter.test_case, judge).run();
  judge.record();
}

std::vector<CaseParameter> cases_below_fp32() {
  std::vector<CaseParameter> parameters;
  for (const Precision precision : precisions_below_fp32()) {
    for (const OracleFixture& fixture : all_fixtures()) {
      add_cases(parameters, fixture, Device::kCpu, precision);
    }
  }
  return parameters;
}

class OraclePrecision : public ::testing::TestWithParam<CaseParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OraclePrecision, ::testing::ValuesIn(cases_below_fp32()), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OraclePrecision);

TEST_P(OraclePrecision, PointsTheSameWay) {
  const CaseParameter& parameter = GetParam();
  const Engine engine = load(parameter);
  Judge judge(parameter.fixture, parameter.precision);
  OracleCheck(engine, parameter.fixture, parameter.test_case, judge).run();
  judge.record();
}

struct DeviceParameter {
  OracleFixture fixture;
  Device device;
};
void PrintTo(const DeviceParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << " on " << device_name(parameter.device);
}
std::vector<DeviceParameter> all_devices() {
  std::vector<DeviceParameter> parameters;
  for (const OracleFixture& fixture : fixtures_with_vectors()) {
    for (const Device device : devices()) {
      parameters.push_back({fixture, device});
    }
  }
  return parameters;
}

class OracleLengths : public ::testing::TestWithParam<DeviceParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleLengths, ::testing::ValuesIn(all_devices()), [](const auto& parameter) {
  return fmt::format("{}__{}", parameter.param.fixture.name, device_name(parameter.param.device));
});

TEST_P(OracleLengths, EveryLengthUpToTheLimitGivesFiniteVectors) {
  const Engine engine = Engine::load(GetParam().fixture.folder.string(), load_options(GetParam().device, Task::kEmbed));
  // Static embeddings have no limit to speak of.
  const int limit = std::min(engine.info().max_positions, 4096);
  std::string text;
  for (int i = 0; i < limit; ++i) {
    text += "a ";  // one token in every tokenizer of the fixtures
  }
  const std::array views = {std::string_view(text)};
  EmbedOptions options;
  options.prompt = "";
  const int specials = engine.embed(std::array{std::string_view("")}, options).items[0].tokens;
  for (int length = specials + 1; length <= limit; length += 1 + length / 24) {
    options.max_length = length;
    const Embeddings vectors = engine.embed(views, options);
    ASSERT_EQ(vectors.items[0].tokens, length);
    ASSERT_TRUE(std::ranges::all_of(vectors.values, [](float value) { return std::isfinite(value); })) << length;
  }
  options.max_length = limit;
  EXPECT_EQ(engine.embed(views, options).items[0].tokens, limit);
}

TEST(Conformance, FindsCasesOfEveryKind) {
  std::map<std::string, int> counts;
  for (const OracleFixture& fixture : own_fixtures()) {
    for (const Json& test_case : fixture.cases) {
      ++counts[test_case.at("kind").get<std::string>()];
    }
  }
  for (const std::string_view kind : kSupportedKinds) {
    EXPECT_GT(counts[std::string(kind)], 0) << "no case of kind " << kind << " in tests/fixtures";
  }
  const std::size_t outside = oracle_fixtures("../shared/fixtures", "").size();
  std::cout << fmt::format("{} cases run on {} devices; {} folders of ../shared/fixtures take part\n",
                           all_cases().size() / devices().size(), devices().size(), outside);
  if (std::filesystem::exists("../shared/fixtures")) {
    EXPECT_GT(outside, 0U) << "../shared/fixtures exists, and none of it could be used";
  }
}

// What is no text has no architecture here.
const std::set<std::string> kTypesOfImages = {"clip", "colqwen2", "idefics3", "qwen2_5_vl", "qwen3_vl", "siglip"};
// late_interaction_test, listwise_test and bge_m3_test take these.
const std::set<std::string> kKindsElsewhere = {"multivector_text", "scores", "rerank_list", "m3", "m3_vectors"};

TEST(Conformance, LeavesOutNoFolderAndNoCase) {
  const std::vector<std::string> types = supported_model_types();
  for (const std::filesystem::path root : {"tests/fixtures", "../shared/fixtures"}) {
    if (!std::filesystem::exists(root)) {
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (!std::filesystem::exists(entry.path() / "cases.json")) {
        continue;
      }
      const std::string type = model_type_of(entry.path());
      if (std::ranges::find(types, type) == types.end()) {
        EXPECT_TRUE(kTypesOfImages.contains(type)) << entry.path() << " is of an unknown type: " << type;
        continue;
      }
      const Json all_cases = load_json(entry.path() / "cases.json");
      for (const Json& test_case : all_cases.at("cases")) {
        const auto kind = test_case.at("kind").get<std::string>();
        EXPECT_TRUE(std::ranges::find(kSupportedKinds, kind) != kSupportedKinds.end() || kKindsElsewhere.contains(kind))
            << entry.path() << " has a case that no test takes: " << kind;
      }
    }
  }
}

TEST(Conformance, EveryArchitectureHasItsFileAndItsFixture) {
  std::set<std::string> with_fixture;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fixtures")) {
    if (std::filesystem::exists(entry.path() / "config.json")) {
      with_fixture.insert(load_json(entry.path() / "config.json").at("model_type").get<std::string>());
    }
  }
  std::set<std::string> with_file;
  for (const auto& entry : std::filesystem::directory_iterator("src/models")) {
    if (entry.path().extension() == ".cpp" && entry.path().stem() != "registry") {
      with_file.insert(entry.path().stem().string());
    }
  }
  std::set<std::string> types;
  std::set<std::string> files;
#define MLXE_ARCHITECTURE(file, model_type) \
  files.insert(#file);                      \
  types.insert(model_type);
#include "models/registry.def"
#undef MLXE_ARCHITECTURE
  EXPECT_EQ(with_fixture, types) << "folders of tests/fixtures against rows of registry.def";
  EXPECT_EQ(with_file, files) << "files of src/models against rows of registry.def";
}

}  // namespace
}  // namespace mlxe::testing
