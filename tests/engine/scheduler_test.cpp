// Packing texts into micro-batches: every text once, longest first, within the budget.
#include "engine/scheduler.h"

#include <algorithm>
#include <iterator>
#include <random>

#include <gmock/gmock.h>

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Groups = std::vector<std::vector<std::size_t>>;

Groups schedule(std::vector<std::size_t> lengths, std::size_t batch_tokens, std::size_t workers = 1) {
  return mlxe::schedule(lengths, batch_tokens, workers);
}

TEST(WindowSize, IsBoundedByTextsAndBytesButNeverZero) {
  const auto size = [](const std::vector<std::size_t>& bytes, std::size_t max_texts, std::size_t max_bytes) {
    return window_size(bytes.size(), max_texts, max_bytes, [&](std::size_t index) { return bytes[index]; });
  };
  const std::vector<std::size_t> bytes = {4, 2, 1, 0};
  EXPECT_EQ(size(bytes, 10, 100), 4U);
  EXPECT_EQ(size(bytes, 3, 100), 3U);
  EXPECT_EQ(size(bytes, 10, 6), 2U);
  EXPECT_EQ(size(bytes, 10, 1), 1U);
  EXPECT_EQ(size({}, 10, 100), 0U);
}

TEST(Schedule, PutsTheLongestFirstAndFillsUpToTheBudget) {
  EXPECT_THAT(schedule({3, 5, 4, 1}, 9), ElementsAre(ElementsAre(1, 2), ElementsAre(0, 3)));
}

TEST(Schedule, KeepsTheInputOrderAmongEquals) {
  EXPECT_THAT(schedule({2, 2, 2}, 4), ElementsAre(ElementsAre(0, 1), ElementsAre(2)));
}

TEST(Schedule, LeavesALongerTextAlone) {
  EXPECT_THAT(schedule({2, 100, 3}, 8), ElementsAre(ElementsAre(1), ElementsAre(2, 0)));
}

TEST(Schedule, LeavesOutTextsWithoutTokens) {
  EXPECT_THAT(schedule({0, 2, 0}, 8), ElementsAre(ElementsAre(1)));
  EXPECT_THAT(schedule({0}, 8), IsEmpty());
  EXPECT_THAT(schedule({}, 8), IsEmpty());
}

TEST(SharedGroups, AreThoseThatOutlastTheOthersWork) {
  const auto shared = [](std::vector<double> costs, std::size_t workers) { return num_shared_groups(costs, workers); };
  EXPECT_EQ(shared({5, 5}, 2), 0U);          // one for each worker
  EXPECT_EQ(shared({6, 5}, 2), 0U);          // nearly even: not worth the meetings
  EXPECT_EQ(shared({6, 4}, 2), 2U);          // uneven: together they are done sooner
  EXPECT_EQ(shared({4, 4, 3}, 2), 1U);       // 2.2 and 4 instead of 4 and 3
  EXPECT_EQ(shared({100, 3, 3, 3}, 2), 1U);  // a long text among short ones; a fiftieth is not worth more meetings
  EXPECT_EQ(shared({100, 60, 3, 3}, 2), 2U);
  EXPECT_EQ(shared({7}, 1), 0U);
  EXPECT_EQ(shared({7}, 4), 1U);
  EXPECT_EQ(shared({}, 4), 0U);
}

TEST(SharedGroups, LeaveNoWorkerIdleAtTheEndWhereGroupsAreFew) {
  const auto of_equals = [](std::size_t count, std::size_t workers) {
    return num_shared_groups(std::vector<double>(count, 3.0), workers);
  };
  EXPECT_EQ(of_equals(7, 2), 1U);
  EXPECT_EQ(of_equals(8, 2), 0U);
  EXPECT_EQ(of_equals(9, 8), 1U);
  EXPECT_EQ(of_equals(15, 8), 0U);  // seven together would take nearly as long as one round
  EXPECT_EQ(of_equals(10, 8), 2U);
  EXPECT_EQ(of_equals(96, 64), 0U);  // a large team on many small groups would lose more in its meetings
  EXPECT_EQ(of_equals(7, 1), 0U);
  EXPECT_EQ(of_equals(65, 2), 0U);  // a worker that idles for one of 33 rounds
}

TEST(GroupCost, CountsTokensAndTheirAttention) {
  const std::vector<std::size_t> lengths = {6, 60, 6};
  EXPECT_DOUBLE_EQ(group_cost(lengths, std::vector<std::size_t>{0, 2}, 1), 24.0);  // 6 tokens, each as dear again
  EXPECT_DOUBLE_EQ(group_cost(lengths, std::vector<std::size_t>{1}, 10), 120.0);
  EXPECT_DOUBLE_EQ(group_cost(lengths, {}, 10), 0.0);
}

TEST(Schedule, SplitsSmallWorkBetweenTheWorkers) {
  EXPECT_THAT(schedule({4, 4, 4, 4}, 500, 2), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_EQ(schedule({4, 4, 4, 4}, 500, 8).size(), 4U);
}

TEST(Schedule, GivesEachWorkerAsManyGroups) {
  const auto sizes = [](const Groups& groups) {
    std::vector<std::size_t> found;
    std::ranges::transform(groups, std::back_inserter(found), &std::vector<std::size_t>::size);
    return found;
  };
  // Full groups would be 5, 5 and 2: one worker would have 7 texts, the other 5.
  EXPECT_THAT(sizes(schedule(std::vector<std::size_t>(12, 20), 100, 2)), ElementsAre(3, 3, 3, 3));
  EXPECT_THAT(sizes(schedule(std::vector<std::size_t>(12, 20), 100, 3)), ElementsAre(4, 4, 4));
  EXPECT_THAT(sizes(schedule(std::vector<std::size_t>(12, 20), 100)), ElementsAre(4, 4, 4));
  std::vector<std::size_t> with_long(12, 20);
  with_long[5] = 1000;  // which is no reason to make the others' groups smaller
  EXPECT_THAT(sizes(schedule(with_long, 220, 1)), ElementsAre(1, 11));
}

TEST(Schedule, HoldsEveryTextOnceAndTheBudgetForRandomLengths) {
  std::mt19937 bits(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::size_t> lengths(bits() % 200);
    for (std::size_t& length : lengths) {
      length = bits() % 40;
    }
    const std::size_t budget = 1 + bits() % 100;
    const std::size_t workers = 1 + bits() % 4;
    std::vector<int> seen(lengths.size());
    for (const auto& group : schedule(lengths, budget, workers)) {
      std::size_t tokens = 0;
      for (const std::size_t index : group) {
        ++seen[index];
        tokens += lengths[index];
      }
      EXPECT_TRUE(tokens <= budget || group.size() == 1) << tokens << " of " << budget;
    }
    for (std::size_t index = 0; index < lengths.size(); ++index) {
      EXPECT_EQ(seen[index], lengths[index] > 0 ? 1 : 0) << index;
    }
  }
}

TEST(Pack, PutsTheChosenEncodingsOneBehindTheOther) {
  std::vector<Encoding> encodings(3);
  encodings[0].ids = {1, 2};
  encodings[0].type_ids = {0, 0};
  encodings[1].ids = {3};
  encodings[1].type_ids = {0};
  encodings[2].ids = {4, 5};
  encodings[2].type_ids = {0, 1};
  const PackedBatch batch = pack(encodings, std::vector<std::size_t>{2, 0});
  EXPECT_THAT(batch.token_ids, ElementsAre(4, 5, 1, 2));
  EXPECT_THAT(batch.type_ids, ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(batch.offsets, ElementsAre(0, 2, 4));
}

}  // namespace
}  // namespace mlxe
