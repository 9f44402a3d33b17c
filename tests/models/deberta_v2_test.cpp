// DeBERTa v2: traits, names of checkpoints, and what is refused; the conformance test holds its numbers.
#include <utility>
#include <vector>

#include "models/architecture.h"
#include "models/shared/deberta_config.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_backend.h"

namespace mlxe {
namespace {

std::unique_ptr<Model> load_with(const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed("tests/fixtures/deberta-v2", changes, backend, head);
}

TEST(DebertaV2, TellsItsTraits) {
  const ModelTraits traits = load_with(Json::object())->traits();
  EXPECT_EQ(traits.hidden_size, 32);
  EXPECT_EQ(traits.max_positions, 64);
  EXPECT_EQ(traits.num_token_types, 2);
}

// Numbers: make_log_bucket_position of transformers 5.23, as in deberta-v3-base; it agrees for all 1023 distances.
TEST(DebertaV2, PutsDistancesIntoTheBucketsOfTransformers) {
  DebertaConfig config;
  config.position_buckets = 256;
  config.max_relative_positions = 512;
  const std::vector<std::pair<int, int>> wanted = {{-511, 1},  {-300, 49}, {-129, 127}, {-128, 128},
                                                   {-5, 251},  {0, 256},   {127, 383},  {128, 384},
                                                   {129, 385}, {130, 386}, {200, 425},  {511, 511}};
  for (const auto& [distance, bucket] : wanted) {
    EXPECT_EQ(config.bucket_of(distance), bucket) << distance;
  }
  config.position_buckets = 0;
  EXPECT_EQ(config.bucket_of(-600), 0);
  EXPECT_EQ(config.bucket_of(300), 812);
}

TEST(DebertaV2, ReadsTheKindsOfScoresFromAListOrOneString) {
  EXPECT_NO_THROW(load_with({{"pos_att_type", " C2P | p2c"}}));
  EXPECT_ERROR(kCorruptModel, "pos_query_proj.weight", load_with({{"pos_att_type", {"c2p"}}}));
  EXPECT_ERROR(kUnsupported, "'pos_att_type' has 'p2p', only c2p, p2c", load_with({{"pos_att_type", "c2p|p2p"}}));
  EXPECT_ERROR(kCorruptModel, "'pos_att_type' is 7", load_with({{"pos_att_type", 7}}));
}

TEST(DebertaV2, RefusesWhatItCannotCompute) {
  EXPECT_ERROR(kCorruptModel, "wanted a multiple of 'num_attention_heads', which is 3",
               load_with({{"num_attention_heads", 3}}));
  EXPECT_ERROR(kUnsupported, "'embedding_size' is 16, only 32", load_with({{"embedding_size", 16}}));
  EXPECT_ERROR(kUnsupported, "'attention_head_size' is 8, only 16", load_with({{"attention_head_size", 8}}));
  EXPECT_ERROR(kUnsupported, "'conv_kernel_size' is 4, only odd", load_with({{"conv_kernel_size", 4}}));
  EXPECT_ERROR(kUnsupported, "'conv_groups' is 2, only 1", load_with({{"conv_groups", 2}}));
  EXPECT_ERROR(kUnsupported, "'norm_rel_ebd' has 'rms_norm'", load_with({{"norm_rel_ebd", "rms_norm"}}));
  EXPECT_ERROR(kCorruptModel, "'position_buckets' is 126, wanted from 2 to less than twice the largest distance",
               load_with({{"position_buckets", 126}}));
  EXPECT_ERROR(kCorruptModel, "'position_buckets' is 1, wanted", load_with({{"position_buckets", 1}}));
  EXPECT_ERROR(kUnsupported, "no head for next-token logits",
               load_with(Json::object(), {.kind = HeadKind::kNextToken}));
}

TEST(DebertaV2, TakesTheHeadForMaskedWordsThatTheFileNames) {
  const HeadSpec head = {.kind = HeadKind::kMaskedLm};
  EXPECT_ERROR(kCorruptModel, "cls.predictions.transform.dense.weight", load_with(Json::object(), head));
  EXPECT_ERROR(kCorruptModel, "lm_predictions.lm_head.LayerNorm.weight", load_with({{"legacy", false}}, head));
}

// The projections of positions are computed while loading; a missing weight must be named all the same.
TEST(DebertaV2, NamesMissingWeightsOfThePositions) {
  EXPECT_ERROR(kCorruptModel,
               "encoder.rel_embeddings.weight (in the file: deberta.encoder.rel_embeddings.weight): has "
               "shape [32, 32], wanted [16, 32]",
               load_with({{"position_buckets", 8}}));
  EXPECT_ERROR(kCorruptModel,
               "encoder.conv.conv.weight (in the file: deberta.encoder.conv.conv.weight): has shape "
               "[32, 32, 3], wanted [32, 32, 5]",
               load_with({{"conv_kernel_size", 5}}));
  EXPECT_ERROR(kCorruptModel, "encoder.layer.2.attention.self.pos_key_proj.weight: wanted [32, 32]",
               load_with({{"num_hidden_layers", 3}}));
}

TEST(DebertaV2, WeightNamesLoseThePrefix) {
  const auto& rule = find_architecture("deberta-v2").weight_name;
  EXPECT_EQ(rule("deberta.encoder.rel_embeddings.weight"), "encoder.rel_embeddings.weight");
  EXPECT_EQ(rule("pooler.dense.weight"), "pooler.dense.weight");
}

}  // namespace
}  // namespace mlxe
