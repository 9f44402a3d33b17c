// Jina's BERT: reached by position_embedding_type, traits, and what is refused; the conformance test has its numbers.
#include "models/architecture.h"
#include "support/expect_error.h"
#include "support/model_folder.h"
#include "support/scalar_backend.h"

namespace mlxe {
namespace {

std::unique_ptr<Model> load_with(const std::string& name, const Json& changes, const HeadSpec& head = {}) {
  testing::ScalarBackend backend;
  return testing::load_changed("tests/fixtures/" + name, changes, backend, head);
}

TEST(JinaBert, TellsItsTraits) {
  for (const char* name : {"jina-v2", "jina-v2-code"}) {
    const ModelTraits traits = load_with(name, Json::object())->traits();
    EXPECT_EQ(traits.max_positions, 256) << name;
    EXPECT_EQ(traits.num_token_types, 2) << name;
  }
}

TEST(JinaBert, RefusesWhatItCannotCompute) {
  EXPECT_ERROR(kUnsupported, "'feed_forward_type' is 'original', wanted 'geglu' or 'reglu'",
               load_with("jina-v2", {{"feed_forward_type", "original"}}));
  EXPECT_ERROR(kUnsupported, "'is_decoder' is true", load_with("jina-v2", {{"is_decoder", true}}));
  EXPECT_ERROR(kCorruptModel, "wanted a multiple of 'num_attention_heads', which is 5",
               load_with("jina-v2", {{"num_attention_heads", 5}}));
  EXPECT_ERROR(kCorruptModel, "encoder.layer.2.mlp.gated_layers.weight: wanted [80, 36]",
               load_with("jina-v2", {{"num_hidden_layers", 3}}));
  EXPECT_ERROR(kUnsupported, "'max_position_embeddings' is 131072, wanted at most 8192 for 4096 attention heads",
               load_with("jina-v2",
                         {{"hidden_size", 4096}, {"num_attention_heads", 4096}, {"max_position_embeddings", 131072}}));
  EXPECT_ERROR(kUnsupported, "no head for labels of tokens",
               load_with("jina-v2", Json::object(), {.kind = HeadKind::kToken, .num_labels = 2}));
}

TEST(JinaBert, IsNoBertWithPositions) {
  EXPECT_ERROR(kCorruptModel, "embeddings.position_embeddings.weight: wanted [256, 36]",
               load_with("jina-v2", {{"position_embedding_type", "absolute"}}));
}

}  // namespace
}  // namespace mlxe
