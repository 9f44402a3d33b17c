// Conformance: every checkpoint with goldens gives the oracle's ids and numbers on every backend, and on the CPU a
// text's vector has the same bits whatever stands beside it.
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

#include "support/oracle_fixture.h"

namespace mlxe::testing {
namespace {

// Noise of the oracles: 1e-6 on normalised vectors and 5e-6 on hidden states in float32. A GELU of the other kind moves
// vectors by 2e-5 and more, a wrong mask or token type by 2e-3, so these leave room for neither.
constexpr double kEmbeddingTolerance = 5e-6;
constexpr double kHiddenTolerance = 5e-5;

// Settings of a case that are honoured below, or that only describe how the oracle was asked.
const std::set<std::string> kKnownSettings = {"name",       "kind",         "texts",          "tensors",
                                              "max_length", "prompt",       "prompt_name",    "pooling",
                                              "api",        "padding_side", "max_seq_length", "truncate_dim"};

LoadOptions load_options(Device device) {
  LoadOptions options;
  options.device = device;
  options.precision = Precision::kFp32;
  options.threads = 2;
  return options;
}

EmbedOptions embed_options(const Json& test_case) {
  EmbedOptions options;
  options.normalize = Normalize::kDeclared;
  if (test_case.contains("max_length")) {
    options.max_length = test_case.at("max_length").get<int>();
  }
  if (test_case.contains("truncate_dim")) {  // of length 1 afterwards: normalize_embeddings of the oracle
    options.dimensions = test_case.at("truncate_dim").get<int>();
    options.normalize = Normalize::kAlways;
  }
  if (test_case.contains("prompt_name")) {
    options.prompt_name = test_case.at("prompt_name").get<std::string>();
  } else if (test_case.contains("prompt")) {
    options.prompt = test_case.at("prompt").get<std::string>();
  }
  return options;
}

/// Largest distance as a share of max(1, |wanted|): most vectors are of length 1, pooled sums are larger.
template <class Values>
double worst_error(const Values& actual, std::span<const float> wanted) {
  double worst = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double scale = std::max(1.0, std::abs(static_cast<double>(wanted[i])));
    const double error = std::abs(static_cast<double>(actual[i]) - static_cast<double>(wanted[i])) / scale;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

struct CaseParameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
};
void PrintTo(const CaseParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<CaseParameter> all_cases() {
  std::vector<CaseParameter> parameters;
  for (const OracleFixture& fixture : all_fixtures()) {
    for (const Json& test_case : fixture.cases) {
      for (const Device device : devices()) {
        parameters.push_back({fixture, test_case, device});
      }
    }
  }
  return parameters;
}

class OracleCase : public ::testing::TestWithParam<CaseParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleCase, ::testing::ValuesIn(all_cases()), [](const auto& parameter) {
  return fmt::format("{}__{}__{}", parameter.param.fixture.name,
                     test_name(parameter.param.test_case.at("name").template get<std::string>()),
                     device_name(parameter.param.device));
});

void check_hidden_states(const Engine& engine, const Json& test_case,
                         const std::map<std::string, HostTensor>& expected) {
  const std::vector<std::string> texts = texts_of(test_case);
  EmbedOptions options = embed_options(test_case);
  options.prompt = "";  // the oracle is the bare transformer
  const std::vector<TokenEmbeddings> actual = engine.token_embeddings(views_of(texts), options);

  const Json& tensors = test_case.at("tensors");
  const auto tensor = [&](const char* name) -> const HostTensor& {
    return expected.at(tensors.at(name).at("key").get<std::string>());
  };
  const std::vector<std::int64_t> ids = elements<std::int64_t>(tensor("input_ids"));
  const std::vector<std::int64_t> mask = elements<std::int64_t>(tensor("attention_mask"));
  const auto width = static_cast<std::size_t>(tensor("input_ids").shape[1]);
  const bool has_states = tensors.contains("last_hidden_state");
  const std::vector<float> states = has_states ? elements<float>(tensor("last_hidden_state")) : std::vector<float>();

  ASSERT_EQ(actual.size(), texts.size());
  for (std::size_t row = 0; row < texts.size(); ++row) {
    SCOPED_TRACE(fmt::format("text {}: '{}'", row, texts[row].substr(0, 60)));
    std::vector<std::int32_t> wanted_ids;
    std::vector<float> wanted_states;
    for (std::size_t token = row * width; token < (row + 1) * width; ++token) {
      if (mask[token] != 0) {
        wanted_ids.push_back(static_cast<std::int32_t>(ids[token]));
        if (has_states) {
          const auto dim = static_cast<std::ptrdiff_t>(actual[row].dim);
          std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(token) * dim, dim,
                      std::back_inserter(wanted_states));
        }
      }
    }
    ASSERT_EQ(actual[row].ids, wanted_ids);
    if (has_states) {
      ASSERT_EQ(actual[row].values.size(), wanted_states.size());
      EXPECT_LE(worst_error(actual[row].values, wanted_states), kHiddenTolerance);
    }
  }
}

void check_embeddings(const Engine& engine, const Json& test_case, const std::map<std::string, HostTensor>& expected) {
  const std::vector<std::string> texts = texts_of(test_case);
  const Embeddings actual = engine.embed(views_of(texts), embed_options(test_case));
  const HostTensor& wanted = expected.at(test_case.at("tensors").at("embedding").at("key").get<std::string>());
  ASSERT_EQ(Shape({static_cast<int>(actual.count()), actual.dim}), wanted.shape);
  const std::vector<float> values = elements<float>(wanted);
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const auto dim = static_cast<std::size_t>(actual.dim);
    EXPECT_LE(worst_error(actual.row(row), std::span(values).subspan(row * dim, dim)), kEmbeddingTolerance)
        << fmt::format("text {}: '{}'", row, texts[row].substr(0, 60));
  }
}

TEST_P(OracleCase, MatchesTheOracle) {
  const auto& [fixture, test_case, device] = GetParam();
  for (const auto& [key, value] : test_case.items()) {
    ASSERT_TRUE(kKnownSettings.contains(key)) << "cases.json has a setting that this test does not honour: " << key;
  }
  LoadOptions options = load_options(device);
  if (test_case.contains("pooling")) {
    options.pooling = test_case.at("pooling").get<std::string>();
  }
  const Engine engine = Engine::load(fixture.folder.string(), options);
  if (test_case.at("kind") == "embed") {
    check_embeddings(engine, test_case, fixture.expected());
  } else {
    check_hidden_states(engine, test_case, fixture.expected());
  }
}

std::string fixture_name(const ::testing::TestParamInfo<OracleFixture>& parameter) {
  return parameter.param.name;
}

std::vector<OracleFixture> fixtures_with_vectors() {
  std::vector<OracleFixture> fixtures = all_fixtures();
  std::erase_if(fixtures, [](const OracleFixture& fixture) { return fixture.is_multi_vector; });
  return fixtures;
}

/// Every text of the fixture, twice, so that equal lengths meet; the tests of bits use the CPU backend alone.
class OracleBits : public ::testing::TestWithParam<OracleFixture> {
 protected:
  void SetUp() override {
    for (int round = 0; round < 2; ++round) {
      for (const Json& test_case : GetParam().cases) {
        std::ranges::move(texts_of(test_case), std::back_inserter(texts_));
      }
    }
    views_ = views_of(texts_);
    together_ = engine_.embed(views_, options_);
  }

  [[nodiscard]] std::vector<float> row(std::size_t index) const {
    const std::span<const float> values = together_.row(index);
    return {values.begin(), values.end()};
  }
  [[nodiscard]] static Engine load(int threads) {
    LoadOptions options = load_options(Device::kCpu);
    options.threads = threads;
    return Engine::load(GetParam().folder.string(), options);
  }

  Engine engine_ = load(2);
  EmbedOptions options_ = {.normalize = Normalize::kDeclared};
  std::vector<std::string> texts_;
  std::vector<std::string_view> views_;
  Embeddings together_;
};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleBits, ::testing::ValuesIn(fixtures_with_vectors()), fixture_name);

TEST_P(OracleBits, ATextAloneHasTheSameBitsAsInABatch) {
  for (std::size_t index = 0; index < views_.size(); ++index) {
    const Embeddings alone = engine_.embed(std::span(views_).subspan(index, 1), options_);
    ASSERT_EQ(alone.values, row(index)) << texts_[index];
  }
}

TEST_P(OracleBits, AnyOrderGivesTheSameBits) {
  std::vector<std::string_view> reversed(views_.rbegin(), views_.rend());
  const Embeddings backwards = engine_.embed(reversed, options_);
  for (std::size_t index = 0; index < views_.size(); ++index) {
    const std::span<const float> values = backwards.row(views_.size() - 1 - index);
    ASSERT_EQ(std::vector<float>(values.begin(), values.end()), row(index)) << texts_[index];
  }
}

TEST_P(OracleBits, AnyNumberOfThreadsAndAnyBatchSizeGivesTheSameBits) {
  for (const int threads : {1, 2, 3}) {
    const Engine engine = load(threads);
    for (const std::size_t batch_tokens : {1U, 33U, 100'000U}) {
      EmbedOptions options = options_;
      options.batch_tokens = batch_tokens;
      EXPECT_EQ(engine.embed(views_, options).values, together_.values) << threads << " threads, " << batch_tokens;
    }
  }
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
  const Engine engine = Engine::load(GetParam().fixture.folder.string(), load_options(GetParam().device));
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
