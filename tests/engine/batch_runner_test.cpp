// Plans, windows and micro-batches of one call.
#include "engine/batch_runner.h"

#include <map>
#include <mutex>

#include "engine/tiny_encoder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::ElementsAre;
using testing::load;
using testing::Texts;
using testing::TinyModel;

TEST(RunPlan, TakesTheModelsLimitOrTheCallers) {
  const TinyModel tiny;
  tiny.folder.write_json("sentence_bert_config.json", {{"max_seq_length", 16}});
  const LoadedModel model = load(tiny, {}, 1, 50);
  const RunPlan plan = make_plan(model, {}, 2);
  EXPECT_EQ(plan.max_length, 16);
  EXPECT_EQ(plan.max_length_source, "sentence_bert_config.json");
  EXPECT_EQ(plan.batch_tokens, 50U);
  const RunPlan other = make_plan(model, {.max_length = 30, .batch_tokens = 7}, 2);
  EXPECT_EQ(other.max_length, 30);
  EXPECT_EQ(other.max_length_source, "max_length");
  EXPECT_EQ(other.batch_tokens, 7U);
}

TEST(RunPlan, LeavesRoomForAToken) {
  const LoadedModel model = load(TinyModel());
  EXPECT_EQ(make_plan(model, {.max_length = 3}, 2).max_length, 3);
  EXPECT_ERROR(kInvalidInput, "max_length is 2, wanted 3", make_plan(model, {.max_length = 2}, 2));
  EXPECT_ERROR(kInvalidInput, "to 32 (the model's positions)", make_plan(model, {.max_length = 33}, 2));
}

TEST(RunOptionsOfEmbedOptions, AreTheSharedOnes) {
  int calls = 0;
  const EmbedOptions embed{
      .max_length = 9, .on_overflow = Overflow::kError, .batch_tokens = 5, .on_progress = [&](const Progress&) {
        return ++calls > 0;
      }};
  const RunOptions run = run_options(embed);
  EXPECT_EQ(run.max_length, 9);
  EXPECT_EQ(run.on_overflow, Overflow::kError);
  EXPECT_EQ(run.batch_tokens, 5U);
  EXPECT_TRUE(run.on_progress({}));
  EXPECT_EQ(calls, 1);
}

TEST(Batches, HaveEveryInputOnceWithItsReport) {
  const LoadedModel model = load(TinyModel(), {}, 3, 8);
  const Texts texts = {"the dog ran", "a cat sat on the mat", "", "blue", "far away the green dog ran"};
  const RunPlan plan = make_plan(model, {.max_length = 6}, 2);
  const InputSource inputs = text_inputs(model, texts, {}, encode_options(model, plan));
  std::mutex mutex;
  std::map<std::size_t, ItemReport> reports;
  run_batches(model, inputs, plan, [&](Ops& /*ops*/, MicroBatch& batch) {
    const std::lock_guard lock(mutex);
    ASSERT_EQ(batch.packed.offsets.size(), batch.num_rows() + 1);
    for (std::size_t row = 0; row < batch.num_rows(); ++row) {
      const auto length = static_cast<std::size_t>(batch.packed.offsets[row + 1] - batch.packed.offsets[row]);
      EXPECT_EQ(length, batch.encoding(row).ids.size());
      EXPECT_TRUE(reports.emplace(batch.input_index(row), batch.report(row)).second);
    }
  });
  ASSERT_EQ(reports.size(), 5U);
  EXPECT_EQ(reports[0].tokens, 5);
  EXPECT_EQ(reports[1].tokens, 6);
  EXPECT_EQ(reports[1].tokens_in_text, 8);
  EXPECT_EQ(reports[2].tokens, 2);
}

TEST(Batches, TellProgressAndStopWhenAsked) {
  const LoadedModel model = load(TinyModel());
  const Texts texts = {"the dog", "a cat"};
  std::size_t done = 0;
  RunOptions options;
  options.on_progress = [&](const Progress& progress) {
    done = progress.done;
    return progress.done < 2;
  };
  const RunPlan plan = make_plan(model, options, 2);
  const InputSource inputs = text_inputs(model, texts, {}, encode_options(model, plan));
  EXPECT_ERROR(kCancelled, "cancelled after 2 of 2 texts", run_batches(model, inputs, plan, [](Ops&, MicroBatch&) {}));
  EXPECT_EQ(done, 2U);
}

TEST(Windows, ComeInOrderAndNameATextThatIsTooLong) {
  const LoadedModel model = load(TinyModel());
  const Texts texts = {"the dog", "a cat sat"};
  RunPlan plan = make_plan(model, {.max_length = 4}, 2);
  const InputSource inputs = text_inputs(model, texts, {}, encode_options(model, plan));
  std::vector<std::size_t> firsts;
  run_windows(model, inputs, plan, [&](const Window& window) {
    firsts.push_back(window.first);
    EXPECT_EQ(window.encodings.size(), 2U);
  });
  EXPECT_THAT(firsts, ElementsAre(0));
  plan.on_overflow = Overflow::kError;
  EXPECT_ERROR(kTooLong, "text 1 has 5 tokens with special ones, the limit is 4 (from max_length)",
               run_windows(model, inputs, plan, [](const Window&) {}));
}

TEST(Windows, AreTokenisedInSlicesBetweenWhichACallCanBeStopped) {
  const LoadedModel model = load(TinyModel());
  const Texts texts = {"the dog", "a cat sat", "blue", "green"};
  std::vector<std::size_t> told;
  RunOptions options;
  options.on_progress = [&](const Progress& progress) {
    told.push_back(progress.done);
    return told.size() < 5;
  };
  const RunPlan plan = make_plan(model, options, 2);
  InputSource inputs = text_inputs(model, texts, {}, encode_options(model, plan));
  inputs.size_bytes = [](std::size_t index) { return index < 2 ? 1U << 20U : 0U; };  // the last two are one slice
  std::vector<std::size_t> slices;
  inputs.encode = [&, plain = inputs.encode](std::size_t first, std::size_t count) {
    slices.push_back(count);
    return plain(first, count);
  };
  std::vector<std::size_t> lengths;
  const auto consume = [&](const Window& window) {
    for (const Encoding& encoding : window.encodings) {
      lengths.push_back(encoding.ids.size());
    }
  };
  run_windows(model, inputs, plan, consume);
  EXPECT_THAT(slices, ElementsAre(1, 1, 2));
  EXPECT_THAT(lengths, ElementsAre(4, 5, 3, 3));
  EXPECT_THAT(told, ElementsAre(0, 0, 4));
  EXPECT_ERROR(kCancelled, "cancelled after 0 of 4 texts", run_windows(model, inputs, plan, consume));
  EXPECT_THAT(slices, ElementsAre(1, 1, 2, 1, 1));
  EXPECT_EQ(lengths.size(), 4U);
}

// What bounds the memory of a window is what is tokenised, and that has the prompt in it.
TEST(Windows, AreMeasuredWithThePrompts) {
  const LoadedModel model = load(TinyModel());
  const Texts texts = {"a", "the"};
  const std::vector<std::string> shared = {"query : "};
  const std::vector<std::string> own = {"", "one "};
  EXPECT_EQ(text_inputs(model, texts, {}, {}).size_bytes(1), 3U);
  EXPECT_EQ(text_inputs(model, texts, shared, {}).size_bytes(1), 11U);
  EXPECT_EQ(text_inputs(model, texts, own, {}).size_bytes(0), 1U);
  EXPECT_EQ(text_inputs(model, texts, own, {}).size_bytes(1), 7U);
}

TEST(Inputs, NameWhatIsNoUtf8) {
  const LoadedModel model = load(TinyModel());
  EXPECT_ERROR(kInvalidInput, "text 1 is not valid UTF-8", text_inputs(model, Texts{"a", "\xff"}, {}, {}));
  const std::vector<std::string> prompts = {"\xc0"};
  EXPECT_ERROR(kInvalidInput, "the prompt is not valid UTF-8", text_inputs(model, Texts{"a"}, prompts, {}));
}

}  // namespace
}  // namespace mlxe
