// Sizes of config.json that no weight vouches for: an error that names them, and no memory for what is not there.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mlxe/error.h"
#include "support/model_folder.h"
#include "support/oracle_fixture.h"
#include "support/scalar_backend.h"

namespace mlxe::testing {
namespace {

// The largest that are read at all, of every family.
const std::map<std::string, int> kLargest = {
    {"hidden_size", 1 << 15},       {"n_embd", 1 << 15},
    {"intermediate_size", 1 << 17}, {"n_inner", 1 << 17},
    {"vocab_size", 1 << 24},        {"max_position_embeddings", 1 << 16},
    {"num_experts", 1 << 12},       {"num_local_experts", 1 << 12},
    {"conv_kernel_size", 255},      {"conv_L_cache", 1023},
    {"position_buckets", 1 << 16},  {"relative_attention_num_buckets", 1 << 16},
};

/// One fixture of each family, in each of its dialects.
std::vector<OracleFixture> fixtures_with_sizes() {
  std::vector<OracleFixture> fixtures = own_fixtures();
  std::erase_if(fixtures, [](const OracleFixture& fixture) {
    return fixture.model_type == "model2vec" || !std::filesystem::exists(fixture.folder / "config.json") ||
           load_json(fixture.folder / "config.json").contains("quantization") ||
           load_json(fixture.folder / "config.json").contains("quantization_config");
  });
  return fixtures;
}

class HostileSizes : public ::testing::TestWithParam<OracleFixture> {};
INSTANTIATE_TEST_SUITE_P(Fixtures, HostileSizes, ::testing::ValuesIn(fixtures_with_sizes()),
                         [](const auto& parameter) { return parameter.param.name; });

void expect_error(const OracleFixture& fixture, const Json& changes) {
  ScalarBackend backend;
  try {
    (void)load_changed(fixture.folder, changes, backend);
    ADD_FAILURE() << changes << " loads";
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::kInternal) << changes << ": " << error.what();
  }
}

TEST_P(HostileSizes, AreErrors) {
  const OracleFixture& fixture = GetParam();
  const Json config = load_json(fixture.folder / "config.json");
  Json all = {{"num_hidden_layers", 64}, {"n_layer", 64}};
  for (const auto& [key, size] : kLargest) {
    if (config.contains(key) && config.at(key).is_number_integer() && config.at(key) != 0) {
      all[key] = size;
      // Positions may be any number where no weight belongs to them.
      if (key != "max_position_embeddings") {
        expect_error(fixture, {{key, size}});
      }
    }
  }
  expect_error(fixture, all);
}

}  // namespace
}  // namespace mlxe::testing
