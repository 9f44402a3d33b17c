// Conformance: on the CPU, the numbers of a text or a pair have the same bits whatever stands beside it.
#include <ostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "models/oracle_outputs.h"

namespace mlxe::testing {
namespace {

struct BitsParameter {
  OracleFixture fixture;
  Output output;
  Task task;
  std::vector<Json> cases;  ///< that ask for this output
};
void PrintTo(const BitsParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << name_of(parameter.output);
}

std::vector<BitsParameter> all_outputs() {
  std::vector<BitsParameter> parameters;
  for (const OracleFixture& fixture : fixtures_with_vectors()) {
    std::vector<BitsParameter> found;
    for (const Json& test_case : fixture.cases) {
      const std::string kind = test_case.at("kind");
      const Output output = output_of(kind);
      auto known = std::ranges::find(found, output, &BitsParameter::output);
      if (known == found.end()) {
        // A folder with a case of the bare transformer may be made for something else.
        const Task task = output == Output::kVectors ? Task::kEmbed : task_of(fixture, kind);
        known = found.insert(found.end(), {fixture, output, task, {}});
      }
      known->cases.push_back(test_case);
    }
    std::ranges::move(found, std::back_inserter(parameters));
  }
  return parameters;
}

/// Every input of the fixture, twice, so that equal lengths meet.
class OracleBits : public ::testing::TestWithParam<BitsParameter> {
 protected:
  void SetUp() override {
    for (int round = 0; round < 2; ++round) {
      for (const Json& test_case : GetParam().cases) {
        inputs_.add(test_case);
      }
    }
    together_ = rows_of(engine_, GetParam().output, inputs_);
    ASSERT_EQ(together_.size(), inputs_.size());
  }

  [[nodiscard]] static Engine load(int threads) {
    LoadOptions options = load_options(Device::kCpu, GetParam().task);
    options.threads = threads;
    return Engine::load(GetParam().fixture.folder.string(), options);
  }

  Engine engine_ = load(2);
  Inputs inputs_;
  Rows together_;
};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleBits, ::testing::ValuesIn(all_outputs()), [](const auto& parameter) {
  return fmt::format("{}__{}", parameter.param.fixture.name, name_of(parameter.param.output));
});

TEST_P(OracleBits, AnInputAloneHasTheSameBitsAsInABatch) {
  for (std::size_t index = 0; index < inputs_.size(); ++index) {
    ASSERT_EQ(rows_of(engine_, GetParam().output, inputs_.one(index)).at(0), together_[index]) << inputs_.first[index];
  }
}

TEST_P(OracleBits, AnyOrderGivesTheSameBits) {
  const Rows backwards = rows_of(engine_, GetParam().output, inputs_.reversed());
  for (std::size_t index = 0; index < inputs_.size(); ++index) {
    ASSERT_EQ(backwards[inputs_.size() - 1 - index], together_[index]) << inputs_.first[index];
  }
}

TEST_P(OracleBits, AnyNumberOfThreadsAndAnyBatchSizeGivesTheSameBits) {
  for (const int threads : {1, 2, 3}) {
    const Engine engine = load(threads);
    for (const std::size_t batch_tokens : {1U, 33U, 100'000U}) {
      RunOptions run;
      run.batch_tokens = batch_tokens;
      EXPECT_EQ(rows_of(engine, GetParam().output, inputs_, run), together_) << threads << " threads, " << batch_tokens;
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
