// The last hidden states of chosen tokens have the bits that they have among all, in every architecture and precision.
#include "nn/last_layer.h"

#include <gtest/gtest.h>

#include "engine/loader.h"
#include "engine/make_backend.h"
#include "models/oracle_checks.h"
#include "models/oracle_outputs.h"

namespace mlxe::testing {
namespace {

class ChosenTokens : public ::testing::TestWithParam<OracleFixture> {};
INSTANTIATE_TEST_SUITE_P(Conformance, ChosenTokens, ::testing::ValuesIn(all_fixtures()),
                         [](const auto& parameter) { return parameter.param.name; });

PackedBatch rows_with_ids(const ModelTraits& traits) {
  PackedBatch batch;
  batch.offsets = {0, 5, 6, 15};
  for (std::int32_t token = 0; token < 15; ++token) {
    batch.token_ids.push_back((7 * token + 3) % traits.vocab_size);
  }
  batch.type_ids.resize(batch.token_ids.size());
  return batch;
}

std::vector<float> hidden_states(const LoadedModel& loaded, const PackedBatch& batch, const TokenChoice& choice) {
  std::vector<float> values;
  loaded.backend->run(1, [&](Ops& ops, std::size_t) {
    const Tensor hidden = loaded.model->forward(ops, batch, choice);
    values.resize(static_cast<std::size_t>(hidden.rows()) * static_cast<std::size_t>(hidden.columns()));
    ops.read(hidden, values);
  });
  return values;
}

TEST_P(ChosenTokens, HaveTheBitsOfAll) {
  std::vector<Precision> precisions = precisions_below_fp32();
  precisions.push_back(Precision::kFp32);
  for (const Precision precision : precisions) {
    LoadOptions options = load_options(Device::kCpu);
    options.precision = precision;
    const LoadedModel loaded = load_model(GetParam().folder, options, make_backend(options));
    const PackedBatch batch = rows_with_ids(loaded.model->traits());
    const auto width = static_cast<std::size_t>(loaded.model->traits().hidden_size);
    const std::vector<float> all = hidden_states(loaded, batch, {});
    ASSERT_EQ(all.size(), 15 * width);
    for (const std::vector<std::int32_t>& choice : {first_tokens(batch), last_tokens(batch), {9, 2, 5, 2}}) {
      std::vector<float> wanted;
      for (const std::int32_t token : choice) {
        const auto row = all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(token) * width);
        wanted.insert(wanted.end(), row, row + static_cast<std::ptrdiff_t>(width));
      }
      EXPECT_EQ(hidden_states(loaded, batch, choice), wanted) << static_cast<int>(precision);
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
