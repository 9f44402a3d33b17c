// Joining the labels of tokens: as transformers does it, and as well-formed BIOES.
#include "engine/label_runs.h"

#include <gmock/gmock.h>

#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;
using ::testing::FloatEq;
using ::testing::IsEmpty;
using Labels = std::vector<std::string>;

const Labels kBio = {"O", "B-CITY", "I-CITY", "DATE"};
const Labels kBioes = {"O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y"};

/// Each token's label has the given probability; the others share the rest.
std::vector<float> certain(const Labels& labels, const std::vector<std::pair<std::string, float>>& tokens) {
  std::vector<float> out;
  for (const auto& [wanted, probability] : tokens) {
    for (const std::string& label : labels) {
      out.push_back(label == wanted ? probability : (1 - probability) / static_cast<float>(labels.size() - 1));
    }
  }
  return out;
}

TEST(LabelRuns, AreOneForEachTokenWithoutJoining) {
  EXPECT_THAT(label_runs(kBio, certain(kBio, {{"B-CITY", 0.75F}, {"I-CITY", 0.5F}, {"O", 0.9F}}), Aggregation::kNone),
              ElementsAre(FieldsAre("B-CITY", FloatEq(0.75F), 0U, 0U), FieldsAre("I-CITY", FloatEq(0.5F), 1U, 1U),
                          FieldsAre("O", FloatEq(0.9F), 2U, 2U)));
}

TEST(LabelRuns, JoinNeighboursOfOneLabelAndBeginAnewAtB) {
  const auto probabilities = certain(kBio, {{"B-CITY", 0.75F},
                                            {"I-CITY", 0.5F},
                                            {"B-CITY", 0.9F},
                                            {"O", 0.9F},
                                            {"O", 0.9F},
                                            {"DATE", 0.8F},
                                            {"DATE", 0.6F},
                                            {"I-CITY", 0.7F}});
  EXPECT_THAT(label_runs(kBio, probabilities, Aggregation::kSimple),
              ElementsAre(FieldsAre("CITY", FloatEq(0.625F), 0U, 1U), FieldsAre("CITY", FloatEq(0.9F), 2U, 2U),
                          FieldsAre("O", FloatEq(0.9F), 3U, 4U), FieldsAre("DATE", FloatEq(0.7F), 5U, 6U),
                          FieldsAre("CITY", FloatEq(0.7F), 7U, 7U)));
}

TEST(LabelRuns, FollowThePrefixesOfBioes) {
  const auto probabilities = certain(
      kBioes, {{"B-X", 0.9F}, {"I-X", 0.9F}, {"E-X", 0.9F}, {"S-Y", 0.8F}, {"O", 0.9F}, {"B-Y", 0.7F}, {"E-Y", 0.9F}});
  EXPECT_THAT(label_runs(kBioes, probabilities, Aggregation::kAuto),
              ElementsAre(FieldsAre("X", FloatEq(0.9F), 0U, 2U), FieldsAre("Y", FloatEq(0.8F), 3U, 3U),
                          FieldsAre("O", FloatEq(0.9F), 4U, 4U), FieldsAre("Y", FloatEq(0.8F), 5U, 6U)));
}

TEST(LabelRuns, OfBioesAreTheLikeliestOnesThatAreWellFormed) {
  // Token by token, the likeliest labels are B-X, O, E-X: no entity at all. I-X in the middle costs the least.
  std::vector<float> probabilities(3 * kBioes.size(), 0.01F);
  const auto set = [&](std::size_t token, std::size_t label, float probability) {
    probabilities[token * kBioes.size() + label] = probability;
  };
  set(0, 1, 0.9F);
  set(1, 0, 0.5F);
  set(1, 2, 0.4F);
  set(2, 3, 0.9F);
  EXPECT_THAT(label_runs(kBioes, probabilities, Aggregation::kBioes),
              ElementsAre(FieldsAre("X", FloatEq((0.9F + 0.4F + 0.9F) / 3), 0U, 2U)));
  // Another entity's I- does not help: to end at once (0.9 * 0.01 * 0.01) is likelier than I-X between them (0.9 * 1e-6
  // * 0.9) and than no entity (0.01 * 0.5 * 0.01).
  set(1, 2, 1e-6F);
  set(1, 6, 0.4F);
  EXPECT_THAT(label_runs(kBioes, probabilities, Aggregation::kBioes),
              ElementsAre(FieldsAre("X", FloatEq((0.9F + 0.01F) / 2), 0U, 1U),
                          FieldsAre(::testing::_, FloatEq(0.01F), 2U, 2U)));
}

TEST(LabelRuns, OfOneTokenThatBeginsNothingAreWhole) {
  EXPECT_THAT(label_runs(kBioes, certain(kBioes, {{"B-X", 0.6F}}), Aggregation::kBioes),
              ElementsAre(FieldsAre(::testing::AnyOf("O", "X", "Y"), ::testing::_, 0U, 0U)));
}

TEST(LabelRuns, OfNothingAreNone) {
  EXPECT_THAT(label_runs(kBio, {}, Aggregation::kAuto), IsEmpty());
  EXPECT_THAT(label_runs(kBioes, {}, Aggregation::kAuto), IsEmpty());
}

TEST(LabelRuns, WantAnOutsideForBioes) {
  const Labels labels = {"E-X", "S-X"};
  EXPECT_EQ(natural_aggregation(labels), Aggregation::kSimple);
  EXPECT_EQ(natural_aggregation(kBioes), Aggregation::kBioes);
  EXPECT_EQ(natural_aggregation(kBio), Aggregation::kSimple);
  EXPECT_ERROR(kInvalidInput, "no 'O'", label_runs(labels, std::vector<float>(2, 0.5F), Aggregation::kBioes));
}

}  // namespace
}  // namespace mlxe
