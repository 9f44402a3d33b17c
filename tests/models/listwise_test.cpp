// Listwise reranking: jina-reranker-v3's scores as the oracle has them, at every precision.
#include <array>
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "models/oracle_checks.h"
#include "support/expect_error.h"

namespace mlxe::testing {
namespace {

constexpr char kFolder[] = "tests/fixtures/jina-reranker-v3";

struct ListParameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
  Precision precision;
};
void PrintTo(const ListParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<ListParameter> all_lists() {
  constexpr std::array kKinds = {std::string_view("rerank_list")};
  std::vector<ListParameter> parameters;
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

RerankOptions options_of(const Json& test_case) {
  RerankOptions options;
  if (test_case.contains("instruction")) {
    options.instruction = test_case.at("instruction").get<std::string>();
  }
  return options;
}

std::vector<float> scores_of(const Engine& engine, const Json& test_case, const RerankOptions& options) {
  const auto query = test_case.at("query").get<std::string>();
  const auto documents = test_case.at("documents").get<std::vector<std::string>>();
  std::vector<float> scores(documents.size());
  for (const RankedDocument& document : engine.rerank(query, views_of(documents), options)) {
    scores[document.index] = document.score;
  }
  return scores;
}

class ListCase : public ::testing::TestWithParam<ListParameter> {};
INSTANTIATE_TEST_SUITE_P(Listwise, ListCase, ::testing::ValuesIn(all_lists()), [](const auto& parameter) {
  return fmt::format("{}__{}__{}", parameter.param.fixture.name,
                     test_name(parameter.param.test_case.at("name").template get<std::string>()),
                     column_name(parameter.param.device, parameter.param.precision));
});

TEST_P(ListCase, MatchesTheOracle) {
  const ListParameter& parameter = GetParam();
  LoadOptions options = load_options(parameter.device);
  options.precision = parameter.precision;
  const Engine engine = Engine::load(parameter.fixture.folder.string(), options);
  EXPECT_TRUE(engine.info().is_listwise);
  EXPECT_THAT(engine.info().warnings, ::testing::IsEmpty());
  const std::vector<float> wanted = elements<float>(
      parameter.fixture.expected().at(parameter.test_case.at("tensors").at("scores").at("key").get<std::string>()));
  Judge judge(parameter.fixture, parameter.precision);
  judge.compare(scores_of(engine, parameter.test_case, options_of(parameter.test_case)), wanted, kLogitTolerance, 1);
  judge.record();
}

TEST(Listwise, ThreadsAndBatchesDoNotMoveABit) {
  const Json test_case = oracle_fixtures("tests/fixtures", "", std::array{std::string_view("rerank_list")})[0].cases[4];
  ASSERT_EQ(test_case.at("name"), "two_blocks");
  LoadOptions one = load_options(Device::kCpu);
  one.threads = 1;
  RerankOptions small;
  small.batch_tokens = 7;
  EXPECT_EQ(scores_of(Engine::load(kFolder, one), test_case, small),
            scores_of(Engine::load(kFolder, load_options(Device::kCpu)), test_case, {}));
}

TEST(Listwise, APairIsAListOfOne) {
  const Engine engine = Engine::load(kFolder, load_options(Device::kCpu));
  const std::array<TextPair, 2> pairs = {TextPair{"bread", "a town"}, TextPair{"city", "rye"}};
  const PairScores scores = engine.score_pairs(pairs);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_EQ(scores.values[i], engine.rerank(pairs[i].first, std::array{pairs[i].second})[0].score);
  }
  EXPECT_TRUE(engine.rerank("bread", std::array<std::string_view, 0>{}).empty());
}

TEST(Listwise, WhatIsCutIsReported) {
  const Engine engine = Engine::load(kFolder, load_options(Device::kCpu));
  const std::array documents = {std::string_view("the baker of the town"), std::string_view("rye")};
  RerankOptions options;
  options.max_length = 3;
  const auto ranked = engine.rerank("bread", documents, options);
  for (const RankedDocument& document : ranked) {
    EXPECT_EQ(document.report.truncated(), document.index == 0);
  }
  options.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "document 0 has", engine.rerank("bread", documents, options));
  std::string query;
  for (int i = 0; i < 600; ++i) {
    query += "w ";
  }
  options.max_length.reset();
  EXPECT_ERROR(kTooLong, "the query has", engine.rerank(query, documents, options));
}

TEST(Listwise, ProgressCountsDocuments) {
  const Engine engine = Engine::load(kFolder, load_options(Device::kCpu));
  const std::vector<std::string_view> documents(130, "w");
  std::vector<std::size_t> done;
  RerankOptions options;
  options.batch_tokens = 1;
  options.on_progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.total, 130U);
    if (done.empty() || done.back() != progress.done) {  // a long micro-batch asks again and again whether to go on
      done.push_back(progress.done);
    }
    return true;
  };
  EXPECT_EQ(engine.rerank("bread", documents, options).size(), 130U);
  EXPECT_THAT(done, ::testing::ElementsAre(0, 65, 130));
  options.on_progress = [](const Progress&) { return false; };
  EXPECT_ERROR(kCancelled, "cancelled", engine.rerank("bread", documents, options));
}

}  // namespace
}  // namespace mlxe::testing
