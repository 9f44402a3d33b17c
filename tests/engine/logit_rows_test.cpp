// Logits of chosen tokens, whatever the chunks that they are computed in.
#include "engine/logit_rows.h"

#include <algorithm>

#include <gmock/gmock.h>

#include "engine/batch_runner.h"
#include "engine/tiny_encoder.h"
#include "engine/tiny_heads.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using testing::load;
using testing::Texts;

TEST(LogitRows, AreAsWideAsLabelsOrVocabulary) {
  EXPECT_EQ(logits_width(load(testing::tiny_token_classifier({"O", "B-X", "I-X"}))), 3);
  EXPECT_EQ(logits_width(load(testing::tiny_masked_lm(), {.task = Task::kFillMask})), 24);
}

TEST(LogitRows, KnowTheRowOfATokenAtEveryBorder) {
  PackedBatch batch;
  batch.offsets = {0, 2, 3, 7};
  batch.token_ids.resize(7);
  std::vector<std::size_t> rows;
  for (std::size_t token = 0; token < 7; ++token) {
    rows.push_back(row_of_token(batch, token));
  }
  EXPECT_THAT(rows, ElementsAre(0, 0, 1, 2, 2, 2, 2));
}

TEST(LogitRows, OfSomeTokensAreThoseOfAll) {
  const LoadedModel model = load(testing::tiny_masked_lm(), {.task = Task::kFillMask});
  const Texts texts = {"the dog ran", "a cat"};
  const RunPlan plan = make_plan(model, {}, 2);
  const InputSource inputs = text_inputs(model, texts, {}, encode_options(model, plan));
  run_batches(model, inputs, plan, [&](Ops& ops, MicroBatch& batch) {
    std::vector<std::vector<float>> all;
    for_each_logit_row(model, ops, batch.packed, {}, [&](std::size_t token, std::span<const float> logits) {
      EXPECT_EQ(token, all.size());
      all.emplace_back(logits.begin(), logits.end());
    });
    ASSERT_EQ(all.size(), 9U);
    const std::vector<std::int32_t> some = {8, 0, 3};
    std::vector<std::size_t> order;
    for_each_logit_row(model, ops, batch.packed, some, [&](std::size_t token, std::span<const float> logits) {
      order.push_back(token);
      EXPECT_EQ(std::vector<float>(logits.begin(), logits.end()), all[token]);
    });
    EXPECT_THAT(order, ElementsAre(8, 0, 3));

    // As many as need a second chunk: 32 MB hold 349,525 rows of 24 words.
    std::vector<std::int32_t> many(349'525 + 7);
    for (std::size_t i = 0; i < many.size(); ++i) {
      many[i] = static_cast<std::int32_t>(i * i % 9);
    }
    std::size_t next = 0;
    std::size_t wrong = 0;
    for_each_logit_row(model, ops, batch.packed, many, [&](std::size_t token, std::span<const float> logits) {
      const bool right = token == static_cast<std::size_t>(many[next]) && std::ranges::equal(logits, all[token]);
      wrong += right ? 0 : 1;
      ++next;
    });
    EXPECT_EQ(next, many.size());
    EXPECT_EQ(wrong, 0U);
  });
}

}  // namespace
}  // namespace mlxe
