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

TEST(RopeConfig, GivesTheTwoSetsOfLongrope) {
  const Json base = {{"rope_type", "longrope"},
                     {"short_factor", {1.0, 1.05, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5}},
                     {"long_factor", {1.0, 1.3, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0}}};
  const auto with = [&](const Json& more) {
    Json config = flat(base);
    config["rope_parameters"].update(more);
    return config;
  };
  const auto expect = [](const RopeFrequencies& rope, float scale, int short_context) {
    expect_frequencies(rope,
                       {1.0F, 0.301169306F, 0.0909090936F, 0.0263523124F, 0.00714285718F, 0.00186016329F,
                        0.000500000024F, 0.000126491112F},
                       scale);
    expect_frequencies({.inverse = rope.long_inverse},
                       {1.0F, 0.243252128F, 0.0500000007F, 0.00790569466F, 0.00124999997F, 0.000197642366F,
                        3.12500015e-05F, 4.94105916e-06F},
                       1.0F);
    EXPECT_EQ(rope.short_context, short_context);
  };
  expect(read(with({{"original_max_position_embeddings", 1024}})), 1.0954451150103321F, 1024);
  expect(read(with({{"attention_factor", 1.25}, {"factor", 2.0}})), 1.25F, 4096);
  Json outside = with({{"factor", 2.0}});
  outside["original_max_position_embeddings"] = 512;
  expect(read(outside), 1.0540925533894598F, 512);
  EXPECT_ERROR(kCorruptModel, "'long_factor' is a list of 1, wanted a list of 8 numbers above 0",
               read(with({{"long_factor", {1.0}}})));
  EXPECT_ERROR(kCorruptModel, "'short_factor' is 2, wanted a list of 8", read(with({{"short_factor", 2}})));
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
  EXPECT_FLOAT_EQ(read(config).inverse[4], 0.0025F / 4.0F) << "theta of the entry, not the one outside";
  expect_frequencies(read(config, {.head_dim = 16, .layer_type = "sliding_attention"}), kPlain, 1.0F);
  Json half = config;  // an entry that is not there is the default with the theta outside
  half["rope_parameters"].erase("sliding_attention");
  expect_frequencies(read(half, {.head_dim = 16, .layer_type = "sliding_attention"}), kPlain, 1.0F);
}

TEST(RopeConfig, TheThetaInsideGoesBeforeTheOneOutside) {
  const Json inside = {{"rope_type", "default"}, {"rope_theta", 160000.0}};
  EXPECT_FLOAT_EQ(read({{"rope_theta", 10000}, {"rope_parameters", inside}}).inverse[4], 0.0025F);
  EXPECT_FLOAT_EQ(read({{"rope_theta", 10000}, {"rope_parameters", {{"rope_type", "default"}}}}).inverse[4], 0.01F);
}

// rope_parameters of transformers 5.23 for both words at once.
TEST(RopeConfig, TheOlderWordReplacesOrIsMergedWhereBothAreThere) {
  const Json scaling = {{"rope_type", "linear"}, {"factor", 8.0}};
  const Json plain = {{"rope_type", "default"}, {"rope_theta", 160000.0}};
  const Json flat_too = {{"rope_scaling", scaling}, {"rope_parameters", plain}, {"rope_theta", 10000}};
  EXPECT_FLOAT_EQ(read(flat_too).inverse[4], 0.01F / 8.0F);  // with the theta outside: 10000
  EXPECT_FLOAT_EQ(read({{"rope_scaling", Json::object()}, {"rope_parameters", plain}}).inverse[4], 0.0025F);
  Json nested = {{"rope_scaling", scaling},
                 {"rope_parameters", {{"full_attention", plain}, {"sliding_attention", plain}}}};
  EXPECT_FLOAT_EQ(read(nested).inverse[4], 0.0025F / 8.0F);  // with the theta of its own: 160000
  const RopeQuery unscaled = {.head_dim = 16, .layer_type = "sliding_attention", .uses_rope_scaling = false};
  EXPECT_FLOAT_EQ(read(nested, unscaled).inverse[4], 0.0025F);
  nested["rope_scaling"] = {{"type", "linear"}, {"factor", 8.0}};
  EXPECT_ERROR(kCorruptModel, "'rope_type' is \"default\", but 'type' is \"linear\"", read(nested));
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
  Json layers = flat(Json::object());
  layers["original_max_position_embeddings"] = 1000000;  // not for an entry of a kind of layer
  layers["rope_parameters"] = {{"full_attention", flat(llama3).at("rope_parameters")}};
  EXPECT_FLOAT_EQ(last(layers), 0.000316227786F / 8.0F);
}

TEST(RopeConfig, RefusesWhatIsMissingOrUnknown) {
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", read(Json::object()));
  EXPECT_ERROR(kCorruptModel, "'rope_theta' is missing", read({{"rope_parameters", {{"rope_type", "default"}}}}));
  EXPECT_ERROR(kUnsupported, "rope type 'su' is not supported, wanted one of: default, linear",
               read(flat({{"rope_type", "su"}})));
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
