// BGE-M3: the three outputs of one forward as the oracle has them, on every backend and at every precision.
#include <array>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "models/oracle_checks.h"

namespace mlxe::testing {
namespace {

struct M3Parameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
  Precision precision;
};
void PrintTo(const M3Parameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<M3Parameter> all_cases() {
  constexpr std::array kKinds = {std::string_view("m3"), std::string_view("m3_vectors")};
  std::vector<M3Parameter> parameters;
  for (const OracleFixture& fixture : oracle_fixtures("tests/fixtures", "own_", kKinds)) {
    for (const Json& test_case : fixture.cases) {
      for (const Device device : devices()) {
        parameters.push_back({fixture, test_case, device, Precision::kFp32});
      }
      for (const Precision precision : precisions_below_fp32()) {
        parameters.push_back({fixture, test_case, Device::kCpu, precision});
      }
    }
  }
  return parameters;
}

class M3Case : public ::testing::TestWithParam<M3Parameter> {};
INSTANTIATE_TEST_SUITE_P(BgeM3, M3Case, ::testing::ValuesIn(all_cases()), [](const auto& parameter) {
  return fmt::format("{}__{}__{}", parameter.param.fixture.name,
                     test_name(parameter.param.test_case.at("name").template get<std::string>()),
                     column_name(parameter.param.device, parameter.param.precision));
});

TEST_P(M3Case, MatchesTheOracle) {
  const auto& [fixture, test_case, device, precision] = GetParam();
  LoadOptions options = load_options(device);
  options.precision = precision;
  const Engine engine = Engine::load(fixture.folder.string(), options);
  EXPECT_THAT(engine.info().combined, ::testing::ElementsAre("dense", "lexical", "multi-vector"));
  const std::vector<std::string> texts = texts_of(test_case);
  const CombinedEmbeddings found = engine.embed_all(views_of(texts));
  const auto expected = fixture.expected();
  const Wanted wanted(test_case, expected);
  Judge judge(fixture, precision);
  if (wanted.has("multi")) {
    const MultiVector& vectors = found.multi.front();
    ASSERT_EQ(Shape({static_cast<int>(vectors.count()), vectors.dim}), wanted.tensor("multi").shape);
    judge.compare(vectors.values, wanted.floats("multi"), kEmbeddingTolerance, static_cast<std::size_t>(vectors.dim));
  } else {
    judge.compare(found.dense.values, wanted.floats("dense"), kEmbeddingTolerance,
                  static_cast<std::size_t>(found.dense.dim));
    const auto width = static_cast<std::size_t>(wanted.tensor("lexical").shape[1]);
    std::vector<float> lexical;
    for (const SparseVector& vector : found.lexical) {
      std::ranges::copy(to_dense(vector, width), std::back_inserter(lexical));
    }
    judge.compare(lexical, wanted.floats("lexical"), kLogitTolerance, width);
  }
  judge.record();
}

}  // namespace
}  // namespace mlxe::testing
