// Late interaction: every checkpoint with goldens gives sentence-transformers' vectors for the tokens that it keeps,
// its scores, and the same bits in any company.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mlxe/similarity.h"
#include "models/oracle_checks.h"
#include "support/expect_error.h"

namespace mlxe::testing {
namespace {

constexpr double kScoreTolerance = 5e-6;  // a share of the score, a sum over some tens of tokens

struct LateParameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
  Precision precision = Precision::kFp32;
};
void PrintTo(const LateParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<LateParameter> cases_of(const std::string& kind) {
  std::vector<LateParameter> parameters;
  const std::array kinds = {std::string_view(kind)};
  std::vector<OracleFixture> fixtures = oracle_fixtures("tests/fixtures", "own_", kinds);
  std::ranges::move(oracle_fixtures("../shared/fixtures", "shared_", kinds), std::back_inserter(fixtures));
  for (const OracleFixture& fixture : fixtures) {
    if (!std::filesystem::exists(fixture.folder / "preprocessor_config.json")) {  // pages of images have their own test
      for (const Json& test_case : fixture.cases) {
        for (const Device device : devices()) {
          parameters.push_back({fixture, test_case, device});
        }
      }
    }
  }
  return parameters;
}

std::vector<LateParameter> at_every_precision(std::vector<LateParameter> parameters) {
  const std::vector<LateParameter> at_fp32 = parameters;
  for (const Precision precision : precisions_below_fp32()) {
    for (LateParameter parameter : at_fp32) {
      if (parameter.device == Device::kCpu) {
        parameter.precision = precision;
        parameters.push_back(std::move(parameter));
      }
    }
  }
  return parameters;
}

// Bits are a promise of the CPU backend alone.
std::vector<LateParameter> cpu_cases_of(const std::string& kind) {
  std::vector<LateParameter> parameters = cases_of(kind);
  std::erase_if(parameters, [](const LateParameter& parameter) { return parameter.device != Device::kCpu; });
  return parameters;
}

std::string name_of(const ::testing::TestParamInfo<LateParameter>& parameter) {
  return fmt::format("{}__{}__{}", parameter.param.fixture.name,
                     test_name(parameter.param.test_case.at("name").get<std::string>()),
                     column_name(parameter.param.device, parameter.param.precision));
}

Engine load(const LateParameter& parameter, int threads = 2) {
  LoadOptions options = load_options(parameter.device);
  options.precision = parameter.precision;
  options.threads = threads;
  return Engine::load(parameter.fixture.folder.string(), options);
}

EmbedOptions options_of(Role role) {
  EmbedOptions options;
  options.role = role;
  return options;
}

Role role_of(const Json& test_case) {
  return test_case.value("task", test_case.at("name").get<std::string>()) == "query" ? Role::kQuery : Role::kDocument;
}

class LateVectors : public ::testing::TestWithParam<LateParameter> {};
INSTANTIATE_TEST_SUITE_P(LateInteraction, LateVectors,
                         ::testing::ValuesIn(at_every_precision(cases_of("multivector_text"))), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LateVectors);

TEST_P(LateVectors, MatchTheOracle) {
  const LateParameter& parameter = GetParam();
  const auto& [fixture, test_case, device, precision] = parameter;
  const std::vector<std::string> texts = texts_of(test_case);
  const Engine engine = load(parameter);
  const std::vector<MultiVector> actual = engine.multi_vector(views_of(texts), options_of(role_of(test_case)));
  const auto expected = fixture.expected();
  Judge judge(parameter.fixture, parameter.precision);
  for (std::size_t index = 0; index < texts.size(); ++index) {
    SCOPED_TRACE(fmt::format("text {}: '{}'", index, texts[index].substr(0, 60)));
    const std::string key = test_case.at("tensors").at(fmt::format("emb_{}", index)).at("key");
    const HostTensor& wanted = expected.at(key);
    ASSERT_EQ(Shape({static_cast<int>(actual[index].count()), actual[index].dim}), wanted.shape);
    judge.compare(actual[index].values, elements<float>(wanted), kEmbeddingTolerance,
                  static_cast<std::size_t>(actual[index].dim));
  }
  judge.record();
}

class LateScores : public ::testing::TestWithParam<LateParameter> {};
INSTANTIATE_TEST_SUITE_P(LateInteraction, LateScores, ::testing::ValuesIn(at_every_precision(cases_of("scores"))),
                         name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LateScores);

TEST_P(LateScores, MatchTheOracle) {
  const LateParameter& parameter = GetParam();
  const auto& [fixture, test_case, device, precision] = parameter;
  const auto queries = test_case.at("queries").get<std::vector<std::string>>();
  const auto documents = test_case.at("documents").get<std::vector<std::string>>();
  const Engine engine = load(parameter);
  const std::vector<float> scores = maxsim(engine.multi_vector(views_of(queries), options_of(Role::kQuery)),
                                           engine.multi_vector(views_of(documents), options_of(Role::kDocument)));
  const std::vector<float> wanted =
      elements<float>(fixture.expected().at(test_case.at("tensors").at("scores").at("key").get<std::string>()));
  Judge judge(parameter.fixture, parameter.precision);
  judge.compare(scores, wanted, kScoreTolerance, 1);
  judge.record();
}

class LateBits : public ::testing::TestWithParam<LateParameter> {};
INSTANTIATE_TEST_SUITE_P(LateInteraction, LateBits, ::testing::ValuesIn(cpu_cases_of("multivector_text")), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LateBits);

TEST_P(LateBits, ATextAloneHasTheSameBitsAsInABatch) {
  const LateParameter& parameter = GetParam();
  const auto& [fixture, test_case, device, precision] = parameter;
  const std::vector<std::string> texts = texts_of(test_case);
  const std::vector<std::string_view> views = views_of(texts);
  EmbedOptions options = options_of(role_of(test_case));
  const std::vector<MultiVector> together = load(parameter).multi_vector(views, options);
  const Engine alone = load(parameter, 1);
  options.batch_tokens = 7;
  for (std::size_t index = 0; index < views.size(); ++index) {
    const MultiVector single = alone.multi_vector(std::span(views).subspan(index, 1), options).front();
    EXPECT_EQ(single.values, together[index].values) << texts[index];
    EXPECT_EQ(single.ids, together[index].ids) << texts[index];
  }
}

TEST(LateInteraction, EmbedAndMultiVectorNameEachOther) {
  const std::array texts = {std::string_view("a cat")};
  EXPECT_ERROR(kUnsupported, "multi_vector()", Engine::load("tests/fixtures/colbert-stanford").embed(texts));
  EXPECT_ERROR(kUnsupported, "embed()", Engine::load("tests/fixtures/bert-mean").multi_vector(texts, {}));
}

TEST(LateInteraction, APromptComesBehindThePrefix) {
  const Engine engine = Engine::load("tests/fixtures/colbert-stanford");
  const std::array texts = {std::string_view("cat")};
  EmbedOptions options = options_of(Role::kDocument);
  const MultiVector plain = engine.multi_vector(texts, options).front();
  options.prompt = "the ";
  const MultiVector prompted = engine.multi_vector(texts, options).front();
  EXPECT_EQ(prompted.ids[1], plain.ids[1]) << "the prefix";
  EXPECT_GT(prompted.count(), plain.count());
  EXPECT_EQ(plain.report.tokens, static_cast<int>(plain.count()));
  EXPECT_EQ(plain.report.tokens_in_text, plain.report.tokens) << "the prefix is a token of both";
}

TEST(LateInteraction, LimitsAndDimensionsAreHonoured) {
  const Engine engine = Engine::load("tests/fixtures/colbert-stanford");
  const std::array texts = {std::string_view("the baker lights the oven at four and the city sleeps")};
  EmbedOptions options = options_of(Role::kDocument);
  options.max_length = 6;
  options.dimensions = 5;
  const MultiVector cut = engine.multi_vector(texts, options).front();
  EXPECT_EQ(cut.report.tokens, 6);
  EXPECT_TRUE(cut.report.truncated());
  EXPECT_EQ(cut.dim, 5);
  float length = 0;
  for (const float value : cut.row(0)) {
    length += value * value;
  }
  EXPECT_NEAR(length, 1.0F, 1e-5F);
  options.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "text 0 has", engine.multi_vector(texts, options));
  options.max_length = 3;
  EXPECT_ERROR(kInvalidInput, "max_length is 3", engine.multi_vector(texts, options));
}

TEST(LateInteraction, RerankingNamesTheQueryAndTheDocumentsAndReportsWhatIsCut) {
  const Engine engine = Engine::load("tests/fixtures/colbert-stanford");
  std::string text;
  for (int i = 0; i < 10; ++i) {
    text += "the baker lights the oven ";
  }
  const std::string_view cut = text;
  const auto truncated = [&](std::string_view query, std::string_view document) {
    return engine.rerank(query, std::array{document})[0].report.truncated();
  };
  EXPECT_TRUE(truncated(cut, "cat"));
  EXPECT_TRUE(truncated("cat", cut));
  EXPECT_FALSE(truncated("cat", "cat"));
  RerankOptions options;
  options.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "the query has", engine.rerank(cut, std::array{std::string_view("cat")}, options));
  EXPECT_ERROR(kTooLong, "document 1 has", engine.rerank("cat", std::array{std::string_view("cat"), cut}, options));
}

TEST(MaxSim, TakesTheBestForEachVectorOfTheQuery) {
  const MultiVector query{.dim = 2, .ids = {1, 2}, .values = {1, 0, 0, 1}, .report = {}};
  const MultiVector document{.dim = 2, .ids = {3, 4}, .values = {-1, 0, -0.5F, 0.25F}, .report = {}};
  EXPECT_FLOAT_EQ(maxsim(query, document), -0.5F + 0.25F);  // negative ones too: nothing is padded with zeros
  EXPECT_FLOAT_EQ(maxsim(query, MultiVector{.dim = 2, .ids = {}, .values = {}, .report = {}}), kEmptyDocumentScore);
}

}  // namespace
}  // namespace mlxe::testing
