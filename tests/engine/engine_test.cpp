// The public Engine on the real CPU backend.
#include "mlxe/engine.h"

#include <atomic>
#include <limits>
#include <thread>

#include "engine/tiny_encoder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using testing::row;
using testing::Texts;
using testing::TinyModel;

const LoadOptions kCpu = {.device = Device::kCpu, .precision = Precision::kFp32, .threads = 2};
const Texts kTexts = {"the cat sat on the mat", "", "dog", "one two six red green blue and far away", "the dog ran"};

TEST(Engine, AgreesWithTheScalarBackend) {
  const TinyModel tiny;
  const Embeddings found = Engine::load(tiny.write(), kCpu).embed(kTexts);
  const Embeddings expected = testing::encoder(tiny).embed(kTexts, {});
  ASSERT_EQ(found.values.size(), expected.values.size());
  for (std::size_t index = 0; index < found.values.size(); ++index) {
    // Two layers of float32 sums of at most 16 terms on unit vectors.
    EXPECT_NEAR(found.values[index], expected.values[index], 2e-6F) << index;
  }
}

TEST(Engine, GivesTheSameBitsAloneInABatchInAnyOrderAndOnAnyNumberOfThreads) {
  const TinyModel tiny;
  const std::string folder = tiny.write();
  const Engine engine = Engine::load(folder, kCpu);
  const Embeddings expected = engine.embed(kTexts);
  const Texts reversed(kTexts.rbegin(), kTexts.rend());
  const Embeddings backwards = engine.embed(reversed);
  const Embeddings one_thread =
      Engine::load(folder, {.device = Device::kCpu, .precision = Precision::kFp32, .threads = 1}).embed(kTexts);
  for (std::size_t index = 0; index < kTexts.size(); ++index) {
    EXPECT_EQ(row(engine.embed(std::span(&kTexts[index], 1)), 0), row(expected, index));
    EXPECT_EQ(row(backwards, kTexts.size() - 1 - index), row(expected, index));
    EXPECT_EQ(row(one_thread, index), row(expected, index));
  }
}

TEST(Engine, MayBeCalledFromManyThreadsAtOnce) {
  const TinyModel tiny;
  const Engine engine = Engine::load(tiny.write(), kCpu);
  const Embeddings expected = engine.embed(kTexts);
  std::atomic<int> different = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&] {
        for (int round = 0; round < 20; ++round) {
          different += engine.embed(kTexts).values == expected.values ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(different, 0);
}

TEST(Engine, IsUsableAfterAnErrorAndAfterBeingMoved) {
  const TinyModel tiny;
  Engine first = Engine::load(tiny.write(), kCpu);
  EXPECT_ERROR(kInvalidInput, "text 0", first.embed(Texts{"\xff"}));
  EXPECT_ERROR(kCancelled, "cancelled", first.embed(kTexts, {.on_progress = [](const Progress&) { return false; }}));
  const Embeddings before = first.embed(kTexts);
  const Engine second = std::move(first);
  EXPECT_EQ(second.embed(kTexts).values, before.values);
  EXPECT_EQ(second.info().model_type, "bert");
}

TEST(Engine, WithholdsTheResultsOfACheckpointWithANan) {
  for (const char* activation : {"gelu", "relu"}) {
    TinyModel tiny;
    tiny.config["hidden_act"] = activation;
    for (auto& [name, tensor] : tiny.tensors) {
      if (name.starts_with("embeddings.") && !name.starts_with("embeddings.LayerNorm")) {
        continue;  // rows that no text may use
      }
      float& value = tensor.values[tensor.values.size() / 2];
      const float whole = value;
      value = std::numeric_limits<float>::quiet_NaN();
      const std::string folder = tiny.write();
      value = whole;
      for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt16, Precision::kInt8}) {
        try {
          const Engine engine = Engine::load(folder, {.device = Device::kCpu, .precision = precision, .threads = 1});
          EXPECT_ERROR(kNonFinite, "has a result with NaN or infinity, which was withheld", engine.embed(kTexts))
              << name << ", " << activation << ", precision " << static_cast<int>(precision);
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();  // this CPU lacks the precision
        }
      }
    }
  }
}

TEST(Engine, TurnsTokensIntoIdsAndBackIntoText) {
  const TinyModel tiny;
  const Engine engine = Engine::load(tiny.write(), kCpu);
  EXPECT_EQ(engine.token_id("cat"), 6);
  EXPECT_EQ(engine.token_id("no such token"), std::nullopt);
  const std::vector<std::int32_t> ids = {2, 5, 6, 3, 1'000'000, -1};
  EXPECT_EQ(engine.decode(ids, true), "the cat");
  EXPECT_EQ(engine.decode(ids), "[CLS] the cat [SEP]");
}

TEST(Engine, SaysWhatIsWrongWithTheModelsName) {
  EXPECT_ERROR(kModelNotFound, "no-such-folder", Engine::load("./no-such-folder", kCpu));
  const testing::TemporaryFolder empty;
  EXPECT_ERROR(kCorruptModel, "config.json", Engine::load(empty.path(), kCpu));
}

TEST(Engine, ListsTheModelTypesOfThisBuild) {
  EXPECT_THAT(supported_model_types(), ::testing::Contains("bert"));
}

}  // namespace
}  // namespace mlxe
