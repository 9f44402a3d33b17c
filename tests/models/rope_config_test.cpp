// Rotary embeddings of config.json: every scaling against transformers, every dialect, and what is refused.
#include "models/shared/rope_config.h"

#include <cstddef>

#include "support/expect_error.h"

namespace mlxe {
namespace {

RopeFrequencies read(const Json& config, const RopeQuery& query = {.head_dim = 16}) {
  return read_rope(JsonFields(config, "config.json"), query);
}

/// A configuration since transformers 5, with theta 10000 where `parameters` has none.
Json flat(Json parameters) {
  parameters.emplace("rope_theta", 10000.0);
  return {{"max_position_embeddings", 4096}, {"rope_parameters", parameters}};
}

void expect_frequencies(const RopeFrequencies& rope, const std::vector<float>& wanted, float scale) {
  ASSERT_EQ(rope.inverse.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    // One rounding of the power and one of its inverse, each maybe to the neighbour of what torch has.
    EXPECT_NEAR(rope.inverse[i] / wanted[i], 1.0F, 4e-7F) << i;
  }
  EXPECT_FLOAT_EQ(rope.scale, scale);
}

const std::vector<float> kPlain = {1.0F,           0.316227764F,   0.100000001F,   0.0316227786F,
                                   0.00999999978F, 0.00316227786F, 0.00100000005F, 0.000316227786F};

// Numbers: ROPE_INIT_FUNCTIONS of transformers 5.23 for a head of 16.
TEST(RopeConfig, GivesTheFrequenciesOfTransformersForEveryScaling) {
  expect_frequencies(read(flat({{"rope_type", "default"}})), kPlain, 1.0F);
  expect_frequencies(read(flat({{"rope_type", "dynamic"}, {"factor", 4.0}})), kPlain, 1.0F);
  expect_frequencies(read(flat({{"rope_type", "linear"}, {"factor", 4.0}})),
                     {0.25F, 0.079056941F, 0.0250000004F, 0.00790569466F, 0.00249999994F, 0.000790569466F,
                      0.000250000012F, 7.90569466e-05F},
                     1.0F);
  expect_frequencies(read(flat({{"rope_type", "llama3"},
                                {"rope_theta", 500000.0},
                                {"factor", 8.0},
                                {"low_freq_factor", 1.0},
                                {"high_freq_factor", 4.0},
                                {"original_max_position_embeddings", 8192}})),
                     {1.0F, 0.193922758F, 0.0376060307F, 0.00729266508F, 0.000524846022F, 3.42810235e-05F,
                      6.64786967e-06F, 1.28917316e-06F},
                     1.0F);
}

TEST(RopeConfig, GivesTheFrequenciesAndTheAttentionFactorOfYarn) {
  const Json base = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 1024}};
  const auto with = [&](const Json& more) {
    Json parameters = base;
    parameters.update(more);
    return read(flat(parameters));
  };
  expect_frequencies(with(Json::object()),
                     {1.0F, 0.316227764F, 0.0812500045F, 0.0197642371F, 0.00437500002F, 0.000790569466F,
                      0.000250000012F, 7.90569466e-05F},
                     1.138629436F);
  expect_frequencies(with({{"factor", 32.0},
                           {"original_max_position_embeddings", 4096},
                           {"truncate", false},
                           {"rope_theta", 150000.0}}),
                     {1.0F, 0.225418001F, 0.0508132726F, 0.00679495931F, 0.000456483918F, 1.8188337e-05F,
                      4.09997847e-06F, 9.24208962e-07F},
                     1.34657359F);
  expect_frequencies(with({{"factor", 40.0},
                           {"original_max_position_embeddings", 256},
                           {"mscale", 1.0},
                           {"mscale_all_dim", 0.5},
                           {"beta_fast", 8.0}}),
                     {1.0F, 0.316227764F, 0.0674999952F, 0.0110679725F, 0.000250000012F, 7.90569466e-05F,
                      2.49999994e-05F, 7.90569447e-06F},
                     1.15572199F);
  expect_frequencies(with({{"original_max_position_embeddings", 16}, {"attention_factor", 0.75}}),
                     {1.0F, 0.079056941F, 0.0250000004F, 0.00790569466F, 0.00249999994F, 0.000790569466F,
                      0.000250000012F, 7.90569466e-05F},
                     0.75F);
}

TEST(RopeConfig, TurnsAPartOfTheHead) {
  const std::vector<float> wanted = {1.0F, 0.0500000007F, 0.00249999994F, 0.000125000006F};
  expect_frequencies(read(flat({{"rope_theta", 160000.0}, {"partial_rotary_factor", 0.5}})), wanted, 1.0F);
  expect_frequencies(read({{"rope_theta", 160000.0}, {"partial_rotary_factor", 0.5}}), wanted, 1.0F);
}

TEST(RopeConfig, ReadsTheOlderDialect) {
  expect_frequencies(read({{"rope_theta", 10000}, {"rope_scaling", nullptr}}), kPlain, 1.0F);
  expect_frequencies(read({{"global_theta", 10000}}, {.head_dim = 16, .theta_key = "global_theta"}), kPlain, 1.0F);
  const Json scaled = {{"rope_theta", 10000}, {"rope_scaling", {{"type", "linear"}, {"factor", 2.0}}}};
  EXPECT_FLOAT_EQ(read(scaled).inverse[0], 0.5F);
  EXPECT_FLOAT_EQ(read(scaled, {.head_dim = 16, .uses_rope_scaling = false}).inverse[0], 1.0F);
}

TEST(RopeConfig, ReadsTheEntryOfTheLayersKind) {
  const Json config = {{"rope_theta", 10000},
                       {"rope_parameters",
                        {{"full_attention", {{"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", 160000.0}}},
                         {"sliding_attention", {{"rope_type", "default"}}}}}};
  EXPECT_FLOAT_EQ(read(config).inverse[0], 0.25F);
  expect_frequencies(read(config, {.head_dim = 16, .layer_type = "sliding_attention"}), kPlain, 1.0F);
}

TEST(RopeConfig, TakesTheOriginalContextFromWhereverItStands) {
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
  const auto last = [](Json config) { return read(config).inverse.back(); };
  // A wave of 19869 tokens: longer than 4096 (divided by the factor), shorter than 1e6 / 4 (kept).
  EXPECT_FLOAT_EQ(last(flat(llama3)), 0.000316227786F / 8.0F);
  Json outside = flat(llama3);
  outside["original_max_position_embeddings"] = 1000000;
  EXPECT_FLOAT_EQ(last(outside), 0.000316227786F);
  outside["rope_parameters"]["original_max_position_embeddings"] = 4096;
  EXPECT_FLOAT_EQ(last(outside), 0.000316227786F);
}

TEST(RopeConfig, RefusesWhatIsMissingOrUnknown) {
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", read(Json::object()));
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", read({{"rope_parameters", {{"rope_type", "default"}}}}));
  EXPECT_ERROR(kUnsupported, "rope type 'longrope' is not supported, wanted one of: default, linear",
               read(flat({{"rope_type", "longrope"}})));
  EXPECT_ERROR(kCorruptModel, "'factor' is missing", read(flat({{"rope_type", "linear"}})));
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is 1.0", read({{"rope_theta", 1.0}}));
  EXPECT_ERROR(kCorruptModel, "turn 3 of the 6 values",
               read({{"rope_theta", 10000}, {"partial_rotary_factor", 0.5}}, {.head_dim = 6}));
  EXPECT_ERROR(
      kCorruptModel, "'low_freq_factor' is 4, wanted less than 'high_freq_factor', which is 4",
      read(flat({{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4.0}, {"high_freq_factor", 4.0}})));
}

}  // namespace
}  // namespace mlxe
