// Classes of texts and pairs, scores of pairs, documents in the order of their scores.
#include "engine/sequence_scorer.h"

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"
#include "mlxe/engine.h"
#include "mlxe/similarity.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;
using testing::load;
using testing::Texts;
using testing::tiny_classifier;
using Pairs = std::vector<TextPair>;

const Texts kDocuments = {"the dog ran", "", "a cat sat on the mat", "blue", "far away the green dog ran"};

template <class Options>
Options raw() {
  Options options;
  options.scores = ScoreKind::kRaw;
  return options;
}

TEST(Classify, GivesProbabilitiesOfAllLabelsAndRawScoresWhenAsked) {
  const LoadedModel model = load(tiny_classifier({"calm", "rain", "storm"}, 3));
  const Classifications found = classify(model, kDocuments, {});
  EXPECT_THAT(found.labels, ElementsAre("calm", "rain", "storm"));
  ASSERT_EQ(found.count(), kDocuments.size());
  const Classifications scores = classify(model, kDocuments, raw<ClassifyOptions>());
  for (std::size_t i = 0; i < found.count(); ++i) {
    const auto row = scores.row(i);
    const double sum = std::exp(row[0]) + std::exp(row[1]) + std::exp(row[2]);
    EXPECT_NEAR(found.row(i)[1], std::exp(row[1]) / sum, 1e-6) << i;
  }
  EXPECT_EQ(found.items[1].tokens, 2);
}

TEST(Classify, GivesTheSameBitsForTokenIdsHoweverTheyArePadded) {
  const LoadedModel model = load(tiny_classifier({"a", "b"}, 2));
  const std::vector<float> expected = classify(model, std::array<std::string_view, 1>{"the cat"}, {}).values;
  const std::vector<std::int32_t> ids = {2, 5, 6, 3, 0, 0};
  const std::vector<std::int32_t> mask = {1, 1, 1, 1, 0, 0};
  const std::vector<std::int32_t> left_ids = {0, 2, 5, 6, 3};
  const std::vector<std::int32_t> left_mask = {0, 1, 1, 1, 1};
  const std::vector<TokenRow> rows = {{.ids = ids, .mask = mask}, {.ids = left_ids, .mask = left_mask}};
  const std::vector<float> found = classify_ids(model, rows, {}).values;
  EXPECT_THAT(found, ElementsAre(expected[0], expected[1], expected[0], expected[1]));
  EXPECT_ERROR(kUnsupported, "loaded for the task 'embed'", classify_ids(load(testing::TinyModel()), rows, {}));
}

TEST(Classify, GivesTheSameBitsForAnyGrouping) {
  const auto tiny = tiny_classifier({"a", "b"}, 2);
  const std::vector<float> together = classify(load(tiny, {}, 3, 8), kDocuments, {}).values;
  const LoadedModel model = load(tiny, {}, 1, 1000);
  for (std::size_t i = 0; i < kDocuments.size(); ++i) {
    EXPECT_THAT(classify(model, std::span(&kDocuments[i], 1), {}).values,
                ElementsAre(together[2 * i], together[2 * i + 1]));
  }
}

TEST(Classify, SaysWhatWasCutAndMayRefuseIt) {
  const LoadedModel model = load(tiny_classifier({"a", "b"}, 2));
  ClassifyOptions options;
  options.max_length = 4;
  const Classifications found = classify(model, kDocuments, options);
  EXPECT_TRUE(found.items[2].truncated());
  EXPECT_EQ(found.items[2].tokens_in_text, 8);
  options.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "text 0 has 5 tokens with special ones, the limit is 4", classify(model, kDocuments, options));
}

TEST(ClassifyPairs, ReadsBothTexts) {
  const LoadedModel model = load(tiny_classifier({"a", "b"}, 2));
  const Pairs pairs = {{"a cat", "the dog"}, {"a cat", "the mat"}, {"a", "cat the dog"}};
  const Classifications found = classify_pairs(model, pairs, raw<ClassifyOptions>());
  EXPECT_NE(found.row(0)[0], found.row(1)[0]);
  EXPECT_NE(found.row(0)[0], found.row(2)[0]);
  EXPECT_EQ(found.items[0].tokens, 7);
}

TEST(ScorePairs, AreWhatTheOneLabelGives) {
  const LoadedModel model = load(tiny_classifier({"LABEL_0"}, 1));
  const Pairs pairs = {{"a cat", "the dog"}, {"", ""}, {"red", ""}};
  const PairScores scores = score_pairs(model, pairs, raw<RerankOptions>());
  EXPECT_EQ(scores.values, classify_pairs(model, pairs, raw<ClassifyOptions>()).values);
  EXPECT_THAT(score_pairs(model, pairs, {}).values[0], FloatEq(1 / (1 + std::exp(-scores.values[0]))));
}

TEST(Rerank, PutsTheHighestScoreFirst) {
  const LoadedModel model = load(tiny_classifier({"LABEL_0"}, 1));
  const std::vector<RankedDocument> ranked = rerank(model, "dog", kDocuments, {});
  ASSERT_EQ(ranked.size(), kDocuments.size());
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const Pairs pair = {{"dog", kDocuments[ranked[i].index]}};
    EXPECT_EQ(ranked[i].score, score_pairs(model, pair, {}).values[0]);
    EXPECT_TRUE(i == 0 || ranked[i - 1].score >= ranked[i].score);
  }
}

TEST(Rerank, KeepsTheFirstOnesAndTheOrderOfEquals) {
  const LoadedModel model = load(tiny_classifier({"LABEL_0"}, 1));
  RerankOptions options;
  options.top_k = 2;
  EXPECT_EQ(rerank(model, "dog", kDocuments, options).size(), 2U);
  options.top_k = 100;
  EXPECT_EQ(rerank(model, "dog", kDocuments, options).size(), 5U);
  const std::vector<RankedDocument> equals = rerank(model, "dog", Texts{"a", "a", "a"}, {});
  EXPECT_EQ(equals[0].index, 0U);
  EXPECT_EQ(equals[2].index, 2U);
  EXPECT_THAT(rerank(model, "dog", Texts{}, {}), IsEmpty());
}

TEST(Rerank, OrdersScoresThatASigmoidMakesEqual) {
  auto tiny = tiny_classifier({"LABEL_0"}, 1);
  tiny.tensors["classifier.bias"].values = {60};  // every sigmoid is 1
  const LoadedModel model = load(tiny);
  const std::vector<RankedDocument> ranked = rerank(model, "dog", kDocuments, {});
  EXPECT_EQ(ranked.front().score, 1.0F);
  EXPECT_EQ(ranked.back().score, 1.0F);
  const std::vector<RankedDocument> by_raw = rerank(model, "dog", kDocuments, raw<RerankOptions>());
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    EXPECT_EQ(ranked[i].index, by_raw[i].index);
  }
}

TEST(SequenceScores, AreRefusedWhereTheyMakeNoSense) {
  const LoadedModel two = load(tiny_classifier({"a", "b"}, 2));
  EXPECT_ERROR(kUnsupported, "gives 2 scores for a pair", rerank(two, "dog", kDocuments, {}));
  const LoadedModel one = load(tiny_classifier({"LABEL_0"}, 1));
  RerankOptions options;
  options.instruction = "find dogs";
  EXPECT_ERROR(kInvalidInput, "takes none", rerank(one, "dog", kDocuments, options));
  const LoadedModel embedder = load(testing::TinyModel());
  EXPECT_ERROR(kUnsupported, "loaded for the task 'embed'", classify(embedder, kDocuments, {}));
  EXPECT_ERROR(kUnsupported, "scores of pairs want the task 'rerank'", rerank(embedder, "dog", kDocuments, {}));
}

TEST(SequenceScores, LeaveRoomForATokenBesideThoseOfThePair) {
  const LoadedModel model = load(tiny_classifier({"LABEL_0"}, 1));
  RerankOptions options;
  options.max_length = 3;  // [CLS] and two [SEP]
  EXPECT_ERROR(kInvalidInput, "max_length is 3, wanted 4", rerank(model, "dog", kDocuments, options));
  options.max_length = 4;
  EXPECT_EQ(rerank(model, "dog", kDocuments, options)[0].report.tokens, 4);
}

TEST(SequenceScores, LeaveRoomForATokenBesideThePrompt) {
  const Engine engine =
      Engine::load("tests/fixtures/qwen3-rerank", {.task = Task::kRerank, .precision = Precision::kFp32});
  const std::array documents = {std::string_view("the baker lights the oven")};
  RerankOptions options;
  options.max_length = 1;
  const std::string message =
      testing::message_of_error(ErrorCode::kInvalidInput, [&] { (void)engine.rerank("why", documents, options); });
  const auto begin = message.find("wanted ") + 7;
  const int smallest = std::stoi(message.substr(begin));
  EXPECT_GT(smallest, 30) << message;  // the prompt alone
  options.max_length = smallest;
  EXPECT_EQ(engine.rerank("why", documents, options)[0].report.tokens, smallest);
}

TEST(SequenceScores, WithholdWhatIsNoNumberAndNameTheText) {
  auto tiny = tiny_classifier({"a", "b"}, 2);
  tiny.tensors["classifier.bias"].values[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_ERROR(kNonFinite, "text 0 has a result with NaN", classify(load(tiny), Texts{"a cat"}, {}));
}

TEST(RerankLate, IsMaxSimOfTheQueryAndEachDocument) {
  const Engine engine = Engine::load("tests/fixtures/colbert-stanford", {.precision = Precision::kFp32});
  const Texts documents = {"the baker of the town", "rye", "a city, at night"};
  const std::array query = {std::string_view("who bakes?")};
  const std::vector<MultiVector> asked = engine.multi_vector(query, {.role = Role::kQuery});
  const std::vector<MultiVector> vectors = engine.multi_vector(documents, {.role = Role::kDocument, .max_length = 6});
  RerankOptions options;
  options.max_length = 6;  // of documents; a query has its own
  for (const RankedDocument& found : engine.rerank(query[0], documents, options)) {
    EXPECT_EQ(found.score, maxsim(asked[0], vectors[found.index])) << found.index;
  }
  options.instruction = "find bakers";
  EXPECT_ERROR(kInvalidInput, "this reranker takes none", engine.rerank(query[0], documents, options));
}

TEST(SequenceScores, NameWhatIsNoUtf8) {
  const LoadedModel model = load(tiny_classifier({"LABEL_0"}, 1));
  EXPECT_ERROR(kInvalidInput, "the query is not valid UTF-8", rerank(model, "\xff", kDocuments, {}));
  EXPECT_ERROR(kInvalidInput, "document 1 is not valid UTF-8", rerank(model, "a", Texts{"b", "\xff"}, {}));
  const Pairs pairs = {{"a", "b"}, {"a", "\xc0"}};
  EXPECT_ERROR(kInvalidInput, "pair 1 is not valid UTF-8", score_pairs(model, pairs, {}));
}

TEST(SequenceScores, WantATokenAtLeast) {
  auto tiny = tiny_classifier({"LABEL_0"}, 1);
  tiny.tokenizer["post_processor"] = nullptr;  // no special tokens
  const LoadedModel model = load(tiny);
  const Pairs pairs = {{"a", ""}, {"", ""}};
  EXPECT_ERROR(kInvalidInput, "pair 1 has no tokens", score_pairs(model, pairs, {}));
}

}  // namespace
}  // namespace mlxe
