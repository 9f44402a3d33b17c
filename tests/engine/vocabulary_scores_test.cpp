// Words for masks, and sparse vectors against their definition.
#include "engine/vocabulary_scores.h"

#include <cmath>

#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"
#include "engine/token_classifier.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::IsEmpty;
using testing::load;
using testing::Texts;
using testing::tiny_masked_lm;
using testing::TinyModel;

LoadedModel load_for(Task task, const TinyModel& tiny = tiny_masked_lm()) {
  LoadOptions options;
  options.task = task;
  return load(tiny, options);
}

TinyModel tiny_splade(const char* join, const char* activation) {
  TinyModel tiny = tiny_masked_lm();
  tiny.add_module("MLMTransformer", "");
  tiny.add_module("SpladePooling", "1_SpladePooling",
                  {{"pooling_strategy", join}, {"activation_function", activation}});
  tiny.folder.write_json("config_sentence_transformers.json", nlohmann::json{{"prompts", {{"query", "query : "}}}});
  return tiny;
}

TEST(FillMask, FindsTheLikeliestWordsForEachMask) {
  const LoadedModel model = load_for(Task::kFillMask);
  const Texts texts = {"the [MASK] sat on the [MASK]", "[MASK]"};
  const std::vector<FilledText> found = fill_mask(model, texts, {});
  ASSERT_EQ(found[0].masks.size(), 2U);
  EXPECT_EQ(found[0].masks[0].position, 2);
  EXPECT_EQ(found[0].masks[1].position, 6);
  ASSERT_EQ(found[0].masks[1].words.size(), 5U);
  const TokenEmbeddings logits = token_logits(model, texts, {})[0];
  const std::span<const float> row = std::span(logits.values).subspan(6 * 24, 24);
  const auto best = static_cast<std::int32_t>(std::ranges::max_element(row) - row.begin());
  EXPECT_EQ(found[0].masks[1].words[0].id, best);
  double sum = 0;
  for (const float logit : row) {
    sum += std::exp(static_cast<double>(logit) - static_cast<double>(row[static_cast<std::size_t>(best)]));
  }
  EXPECT_NEAR(found[0].masks[1].words[0].score, 1 / sum, 1e-6);
  EXPECT_GE(found[0].masks[1].words[0].score, found[0].masks[1].words[1].score);
  EXPECT_FALSE(found[0].masks[1].words[0].token.empty());
  ASSERT_EQ(found[1].masks.size(), 1U);
  EXPECT_EQ(found[1].masks[0].position, 1);
}

TEST(FillMask, PutsTheSmallerIdFirstWhereWordsAreEquallyLikely) {
  TinyModel tiny = tiny_masked_lm();
  std::vector<float>& words = tiny.tensors["embeddings.word_embeddings.weight"].values;  // also those of the logits
  for (int column = 0; column < 8; ++column) {
    words[9 * 8 + static_cast<std::size_t>(column)] = words[7 * 8 + static_cast<std::size_t>(column)];
  }
  tiny.tensors["cls.predictions.bias"].values[7] = tiny.tensors["cls.predictions.bias"].values[9] = 100;
  const std::vector<FilledText> found = fill_mask(load_for(Task::kFillMask, tiny), Texts{"the [MASK]"}, {});
  EXPECT_EQ(found[0].masks[0].words[0].id, 7);
  EXPECT_EQ(found[0].masks[0].words[1].id, 9);
  EXPECT_EQ(found[0].masks[0].words[0].score, found[0].masks[0].words[1].score);
}

TEST(FillMask, NamesATextWithoutAMask) {
  const LoadedModel model = load_for(Task::kFillMask);
  EXPECT_ERROR(kInvalidInput, "text 1 has no '[MASK]', wanted one at least",
               fill_mask(model, Texts{"a [MASK]", "a cat"}, {}));
  FillMaskOptions options;
  options.max_length = 4;
  EXPECT_ERROR(kInvalidInput, "text 0 has no '[MASK]' within its first 4 tokens",
               fill_mask(model, Texts{"a cat sat [MASK]"}, options));
}

TEST(FillMask, WantsAMaskTokenAndAHead) {
  TinyModel tiny = tiny_masked_lm();
  tiny.tokenizer["added_tokens"].erase(4);
  EXPECT_ERROR(kUnsupported, "no mask token", fill_mask(load_for(Task::kFillMask, tiny), Texts{"a"}, {}));
  EXPECT_ERROR(kUnsupported, "loaded for the task 'embed'", fill_mask(load(tiny_masked_lm()), Texts{"a"}, {}));
}

class SparseVectors : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(EveryKind, SparseVectors,
                         ::testing::Values(std::pair{"max", "relu"}, std::pair{"sum", "relu"},
                                           std::pair{"max", "log1p_relu"}, std::pair{"sum", "log1p_relu"}));

TEST_P(SparseVectors, AreTheLogarithmsOfPositiveLogitsJoined) {
  const auto& [join, activation] = GetParam();
  const LoadedModel model = load_for(Task::kAuto, tiny_splade(join, activation));
  const Texts texts = {"the cat sat on the mat", "", "one two six red green blue"};
  const std::vector<SparseVector> found = sparse(model, texts, {});
  const std::vector<TokenEmbeddings> logits = token_logits(model, texts, {});
  for (std::size_t text = 0; text < texts.size(); ++text) {
    std::vector<double> wanted(24);
    for (std::size_t i = 0; i < logits[text].values.size(); ++i) {
      double weight = std::log1p(std::max(0.0, static_cast<double>(logits[text].values[i])));
      weight = activation == std::string("log1p_relu") ? std::log1p(weight) : weight;
      double& joined = wanted[i % 24];
      joined = join == std::string("sum") ? joined + weight : std::max(joined, weight);
    }
    std::vector<double> actual(24);
    for (std::size_t i = 0; i < found[text].ids.size(); ++i) {
      EXPECT_GT(found[text].weights[i], 0);
      actual[static_cast<std::size_t>(found[text].ids[i])] = static_cast<double>(found[text].weights[i]);
    }
    for (std::size_t word = 0; word < 24; ++word) {
      EXPECT_NEAR(actual[word], wanted[word], 1e-6 * std::max(1.0, wanted[word])) << text << ", " << word;
    }
    EXPECT_TRUE(std::ranges::is_sorted(found[text].ids));
    EXPECT_EQ(found[text].report.tokens, static_cast<int>(logits[text].ids.size()));
  }
}

TEST(Sparse, TakesAPromptByName) {
  const LoadedModel model = load_for(Task::kAuto, tiny_splade("max", "relu"));
  SparseOptions options;
  options.prompt_name = "query";
  EXPECT_EQ(sparse(model, Texts{"cat"}, options)[0].weights, sparse(model, Texts{"query : cat"}, {})[0].weights);
  SparseOptions by_role;
  by_role.role = Role::kQuery;
  EXPECT_EQ(sparse(model, Texts{"cat"}, by_role)[0].weights, sparse(model, Texts{"query : cat"}, {})[0].weights);
  options.prompt_name = "passage";
  EXPECT_ERROR(kInvalidInput, "unknown prompt name 'passage'", sparse(model, Texts{"cat"}, options));
}

TEST(Sparse, KeepsTheLargestWeights) {
  const LoadedModel model = load_for(Task::kSparse);
  const SparseVector all = sparse(model, Texts{"the cat sat"}, {})[0];
  std::vector<float> sorted = all.weights;
  std::ranges::sort(sorted, std::ranges::greater{});
  ASSERT_GT(sorted.size(), 4U);
  for (std::size_t count = 1; count <= sorted.size(); ++count) {
    SparseOptions options;
    options.max_active = count;
    const SparseVector some = sparse(model, Texts{"the cat sat"}, options)[0];
    ASSERT_EQ(some.ids.size(), count);
    EXPECT_TRUE(std::ranges::is_sorted(some.ids));
    EXPECT_EQ(*std::ranges::min_element(some.weights), sorted[count - 1]);
    for (std::size_t i = 0; i < count; ++i) {
      const auto place = std::ranges::find(all.ids, some.ids[i]) - all.ids.begin();
      EXPECT_EQ(some.weights[i], all.weights[static_cast<std::size_t>(place)]);
    }
  }
}

TEST(Sparse, IsEmptyForATextWithoutTokens) {
  TinyModel tiny = tiny_masked_lm();
  tiny.tokenizer["post_processor"] = nullptr;
  EXPECT_THAT(sparse(load_for(Task::kSparse, tiny), Texts{""}, {})[0].ids, IsEmpty());
}

}  // namespace
}  // namespace mlxe
