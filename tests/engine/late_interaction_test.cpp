// Late interaction on the scalar backend: the layout that sentence-transformers writes, its masks, and what is refused.
#include "engine/late_interaction.h"

#include <cmath>

#include <gmock/gmock.h>

#include "engine/late_encoder.h"
#include "engine/tiny_encoder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;
using testing::load;
using testing::Texts;
using testing::TinyModel;

/// Transformer, Dense 8 -> 4 on tokens, MultiVectorMask, Normalize. Ids: [CLS] 2, [SEP] 3, a 4, the 5, cat 6.
TinyModel multi_vector_encoder(const Json& mask, const Json& transformer) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Dense", "1_Dense",
                  {{"in_features", 8},
                   {"out_features", 4},
                   {"bias", false},
                   {"activation_function", "torch.nn.modules.linear.Identity"},
                   {"module_input_name", "token_embeddings"},
                   {"module_output_name", "token_embeddings"}});
  tiny.folder.write("1_Dense/model.safetensors",
                    testing::to_safetensors({{"linear.weight", testing::random_tensor({4, 8}, 3)}}));
  tiny.add_module("MultiVectorMask", "2_MultiVectorMask", mask);
  tiny.add_module("Normalize", "3_Normalize", {{"module_input_name", "token_embeddings"}});
  tiny.folder.write_json("config_sentence_transformers.json", {{"model_type", "MultiVectorEncoder"}});
  tiny.folder.write_json("sentence_bert_config.json", transformer);
  return tiny;
}

const Json kFilling = {{"query_expansion", {{"strategy", "min"}, {"length", 5}, {"token", "a"}, {"attend", false}}},
                       {"document_length", 4}};

std::vector<std::int32_t> ids_of(const LoadedModel& loaded, std::string_view text, Role role) {
  return LateEncoder(loaded).encode(Texts{text}, {.role = role}).front().ids;
}

TEST(LateInteraction, FillsShortQueriesAndLeavesLongOnesWhole) {
  const LoadedModel loaded = load(multi_vector_encoder(Json::object(), kFilling));
  EXPECT_THAT(ids_of(loaded, "cat", Role::kQuery), ElementsAre(2, 6, 3, 4, 4));
  EXPECT_THAT(ids_of(loaded, "cat cat cat cat", Role::kQuery), ElementsAre(2, 6, 6, 6, 6, 3));
  EXPECT_THAT(ids_of(loaded, "cat cat cat cat", Role::kDocument), ElementsAre(2, 6, 6, 3));
}

TEST(LateInteraction, NeverFillsBeyondTheLimit) {
  const LoadedModel loaded = load(multi_vector_encoder(Json::object(), kFilling));
  const MultiVector query = LateEncoder(loaded).encode(Texts{"cat"}, {.role = Role::kQuery, .max_length = 4}).front();
  EXPECT_THAT(query.ids, ElementsAre(2, 6, 3, 4));
}

TEST(LateInteraction, CountsNotWhatIsFilledIn) {
  const LoadedModel loaded = load(multi_vector_encoder(Json::object(), kFilling));
  const MultiVector query = LateEncoder(loaded).encode(Texts{"cat"}, {.role = Role::kQuery}).front();
  EXPECT_EQ(query.count(), 5U);
  EXPECT_EQ(query.report.tokens, 3);
  EXPECT_EQ(query.report.tokens_in_text, 3);
}

TEST(LateInteraction, NormalisesAsAskedOrDeclared) {
  TinyModel tiny = multi_vector_encoder(Json::object(), Json::object());
  const auto length = [&](Normalize normalize) {
    const LoadedModel loaded = load(tiny);
    const MultiVector vectors = LateEncoder(loaded).encode(Texts{"cat"}, {.normalize = normalize}).front();
    float sum = 0;
    for (const float value : vectors.row(0)) {
      sum += value * value;
    }
    return sum;
  };
  EXPECT_NEAR(length(Normalize::kDeclared), 1.0F, 1e-5F);
  tiny.modules.erase(3);
  EXPECT_GT(std::abs(length(Normalize::kDeclared) - 1.0F), 0.01F);
  EXPECT_NEAR(length(Normalize::kAlways), 1.0F, 1e-5F);
}

TEST(LateInteraction, AFixedLengthCutsQueries) {
  Json fixed = kFilling;
  fixed["query_expansion"]["strategy"] = "fixed";
  const LoadedModel loaded = load(multi_vector_encoder(Json::object(), fixed));
  EXPECT_THAT(ids_of(loaded, "cat cat cat cat", Role::kQuery), ElementsAre(2, 6, 6, 6, 3));
}

TEST(LateInteraction, WhatIsFilledInIsSeenOnlyIfTheCheckpointSaysSo) {
  const auto first_vector = [](const Json& transformer) {
    const LoadedModel loaded = load(multi_vector_encoder(Json::object(), transformer));
    const MultiVector query = LateEncoder(loaded).encode(Texts{"cat"}, {.role = Role::kQuery}).front();
    return std::vector<float>(query.row(0).begin(), query.row(0).end());
  };
  Json attending = kFilling;
  attending["query_expansion"]["attend"] = true;
  const std::vector<float> alone = first_vector(Json::object());
  EXPECT_EQ(first_vector(kFilling), alone);
  EXPECT_NE(first_vector(attending), alone);
}

TEST(LateInteraction, LeavesOutTheSkipListOfDocumentsOrOfBoth) {
  const Json words = {{"skiplist_words", {"the", "nonsense"}}};
  const LoadedModel documents = load(multi_vector_encoder(words, Json::object()));
  EXPECT_THAT(ids_of(documents, "the cat", Role::kDocument), ElementsAre(2, 6, 3));
  EXPECT_THAT(ids_of(documents, "the cat", Role::kNone), ElementsAre(2, 6, 3));
  EXPECT_THAT(ids_of(documents, "the cat", Role::kQuery), ElementsAre(2, 5, 6, 3));
  Json both = words;
  both["skiplist_tasks"] = {"query", "document"};
  EXPECT_THAT(ids_of(load(multi_vector_encoder(both, Json::object())), "the cat", Role::kQuery), ElementsAre(2, 6, 3));
  const Json keep = {{"keep_only_token_ids", {6}}};
  EXPECT_THAT(ids_of(load(multi_vector_encoder(keep, Json::object())), "the cat", Role::kDocument), ElementsAre(6));
  EXPECT_THAT(ids_of(load(multi_vector_encoder(keep, Json::object())), "the cat", Role::kQuery),
              ElementsAre(2, 5, 6, 3));
}

TEST(LateInteraction, OfTokenIdsGivesAVectorForEachTokenHoweverTheyArePadded) {
  const LoadedModel plain = load(multi_vector_encoder(Json::object(), Json::object()));
  const MultiVector wanted = LateEncoder(plain).encode(Texts{"the cat"}, {}).front();
  const LoadedModel loaded = load(multi_vector_encoder({{"skiplist_words", {"the"}}}, kFilling));
  const std::vector<std::int32_t> ids = {0, 0, 2, 5, 6, 3};
  const std::vector<std::int32_t> mask = {0, 0, 1, 1, 1, 1};
  const std::span<const std::int32_t> bare = std::span(ids).subspan(2);
  const std::vector<TokenRow> rows = {{.ids = ids, .mask = mask}, {.ids = bare}};
  for (const MultiVector& found : LateEncoder(loaded).encode_ids(rows, {})) {
    EXPECT_THAT(found.ids, ElementsAre(2, 5, 6, 3));
    EXPECT_EQ(found.values, wanted.values);
    EXPECT_EQ(found.report.tokens, 4);
  }
  EXPECT_EQ(LateEncoder(loaded).encode_ids(rows, {.dimensions = 3})[1].dim, 3);
  EXPECT_ERROR(kInvalidInput, "not before token ids", LateEncoder(loaded).encode_ids(rows, {.role = Role::kQuery}));
  EXPECT_ERROR(kInvalidInput, "dimensions is 5, wanted 1 to 4",
               LateEncoder(loaded).encode_ids(rows, {.dimensions = 5}));
}

TEST(LateInteraction, PutsAPrefixOnceHoweverTheSideIsNamed) {
  const TinyModel tiny = multi_vector_encoder(Json::object(), Json::object());
  tiny.folder.write_json(
      "config_sentence_transformers.json",
      {{"model_type", "ColBERT"},
       {"do_query_expansion", false},
       {"query_prefix", "red "},
       {"document_prefix", "blue "},
       {"prompts", {{"query", "red "}, {"document", "blue the "}, {"other", "red six "}, {"plain", "six "}}}});
  const LoadedModel loaded = load(tiny);
  const LateEncoder encoder(loaded);
  const auto ids = [&](const EmbedOptions& options) { return encoder.encode(Texts{"cat"}, options).front().ids; };
  EXPECT_THAT(ids({.role = Role::kQuery}), ElementsAre(2, 17, 6, 3));
  EXPECT_THAT(ids({.prompt_name = "query"}), ElementsAre(2, 17, 6, 3));
  EXPECT_THAT(ids({.role = Role::kDocument}), ElementsAre(2, 19, 5, 6, 3));
  EXPECT_THAT(ids({.prompt_name = "document"}), ElementsAre(2, 19, 5, 6, 3));
  EXPECT_THAT(ids({.prompt_name = "passage"}), ElementsAre(2, 19, 5, 6, 3)) << "stands for the document's";
  EXPECT_THAT(ids({.role = Role::kQuery, .prompt_name = "other"}), ElementsAre(2, 17, 22, 6, 3));
  EXPECT_THAT(ids({.role = Role::kQuery, .prompt_name = "plain"}), ElementsAre(2, 17, 22, 6, 3));
  EXPECT_THAT(ids({.role = Role::kQuery, .prompt = "red "}), ElementsAre(2, 17, 17, 6, 3)) << "as it is";
}

TEST(LateInteraction, NamesWhereALimitIsFrom) {
  const LoadedModel documents = load(multi_vector_encoder(Json::object(), kFilling));
  const auto encode = [&](const EmbedOptions& options) {
    return LateEncoder(documents).encode(Texts{"cat cat cat cat cat"}, options);
  };
  EXPECT_ERROR(kTooLong, "has 7 tokens with special ones, the limit is 4 (from sentence_bert_config.json)",
               encode({.role = Role::kDocument, .on_overflow = Overflow::kError}));
  EXPECT_ERROR(kTooLong, "the limit is 6 (from max_length)",
               encode({.role = Role::kDocument, .max_length = 6, .on_overflow = Overflow::kError}));
}

TEST(LateInteraction, RefusesALengthThatLeavesNoRoomForText) {
  EXPECT_ERROR(kCorruptModel, "sentence_bert_config.json allows 2 tokens for a document, wanted more than the 2",
               load(multi_vector_encoder(Json::object(), {{"document_length", 2}})));
  EXPECT_ERROR(kCorruptModel, "allows 1 tokens for a query, wanted more than the 2",
               load(multi_vector_encoder(Json::object(), {{"query_length", 1}})));
}

TEST(LateInteraction, RefusesTokensToKeepThatAreNoTokens) {
  for (const Json& id : {Json(-1), Json(std::int64_t{1} << 32U), Json(23)}) {
    EXPECT_ERROR(kCorruptModel, "'keep_only_token_ids' holds " + id.dump() + ", wanted 0 to 22",
                 load(multi_vector_encoder({{"keep_only_token_ids", Json::array({6, id})}}, Json::object())));
  }
}

TEST(LateInteraction, RefusesModulesThatItDoesNotKnow) {
  TinyModel tiny = multi_vector_encoder(Json::object(), Json::object());
  tiny.add_module("HierarchicalTokenPooling", "4_Pooling", Json::object());
  EXPECT_ERROR(kUnsupported, "'HierarchicalTokenPooling' is not supported", load(tiny));
  EXPECT_ERROR(kInvalidInput, "no pooling to choose",
               load(multi_vector_encoder(Json::object(), Json::object()), {.pooling = "mean"}));
}

TEST(LateInteraction, RefusesContradictingLengths) {
  Json lengths = kFilling;
  lengths["query_length"] = 3;
  EXPECT_ERROR(kCorruptModel, "filled up to 5 tokens and cut to 3",
               load(multi_vector_encoder(Json::object(), lengths)));
  lengths["query_length"] = 500;
  lengths["query_expansion"]["length"] = 400;
  EXPECT_ERROR(kCorruptModel, "the model has 32 positions", load(multi_vector_encoder(Json::object(), lengths)));
}

}  // namespace
}  // namespace mlxe
