// Texts to vectors on the scalar backend: options, reports, errors, and the same bits however texts are grouped.
#include "engine/text_encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "engine/tiny_encoder.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Json = nlohmann::json;
using testing::encoder;
using testing::row;
using testing::Texts;
using testing::TinyModel;

const Texts kTexts = {"the cat sat on the mat",
                      "",
                      "dog",
                      "one two six red green blue and far away",
                      "the dog ran",
                      "the",
                      "a a a a a a a",
                      "query : the cat"};

// 60 texts of 0 to 40 words, most longer than the tiny model's micro-batches.
std::vector<std::string> many_texts() {
  const Texts words = {"the", "cat", "dog", "sat", "unknown", "red", "blue"};
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 60; ++i) {
    std::string text;
    for (std::size_t word = 0; word < i * 7 % 41; ++word) {
      text += std::string(words[(i + word * word) % words.size()]) + " ";
    }
    texts.push_back(text);
  }
  return texts;
}

float norm(const std::vector<float>& vector) {
  return std::sqrt(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0F));
}

TinyModel with_prompts() {
  TinyModel tiny;
  tiny.folder.write_json("config_sentence_transformers.json",
                         Json{{"prompts", {{"query", "query : "}, {"none", ""}}}, {"default_prompt_name", nullptr}});
  return tiny;
}

TEST(TextEncoder, GivesOneUnitVectorPerTextInInputOrder) {
  const TextEncoder tiny = encoder(TinyModel());
  const Embeddings together = tiny.embed(kTexts, {});
  ASSERT_EQ(together.count(), kTexts.size());
  EXPECT_EQ(together.dim, 8);
  for (std::size_t index = 0; index < kTexts.size(); ++index) {
    EXPECT_NEAR(norm(row(together, index)), 1.0F, 1e-6F);  // 8 squares in float32
    EXPECT_EQ(row(together, index), row(tiny.embed(std::span(&kTexts[index], 1), {}), 0)) << kTexts[index];
  }
}

TEST(TextEncoder, GivesNothingForNothing) {
  const Embeddings none = encoder(TinyModel()).embed({}, {});
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.dim, 8);
  EXPECT_TRUE(none.values.empty());
}

TEST(TextEncoder, GivesTheSameBitsForAnyGroupingOrderAndNumberOfThreads) {
  const std::vector<std::string> owned = many_texts();
  Texts texts(owned.begin(), owned.end());
  const Embeddings expected = encoder(TinyModel()).embed(texts, {});
  for (const int threads : {1, 3}) {
    for (const std::size_t batch_tokens : {std::size_t{1}, std::size_t{50}, std::size_t{100'000}}) {
      const Embeddings found = encoder(TinyModel(), {}, threads).embed(texts, {.batch_tokens = batch_tokens});
      EXPECT_EQ(found.values, expected.values) << threads << " threads, " << batch_tokens << " tokens";
    }
  }
  std::ranges::reverse(texts);
  const Embeddings reversed = encoder(TinyModel()).embed(texts, {});
  for (std::size_t index = 0; index < texts.size(); ++index) {
    EXPECT_EQ(row(reversed, index), row(expected, texts.size() - 1 - index));
  }
}

TEST(TextEncoder, MayBeCalledFromManyThreadsAtOnce) {
  const TextEncoder tiny = encoder(with_prompts(), {}, 2);
  const EmbedOptions options{.prompt_name = "query"};
  const Embeddings expected = tiny.embed(kTexts, options);
  std::atomic<int> different = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&] {
        for (int round = 0; round < 5; ++round) {
          different += tiny.embed(kTexts, options).values == expected.values ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(different, 0);
}

TEST(TextEncoder, WorksInWindowsWithoutAnyoneNoticing) {
  // More texts than one window of 16384 holds; every second one is the other text.
  const Texts two = {"the cat", "dog"};
  Texts texts(16'387);
  for (std::size_t index = 0; index < texts.size(); ++index) {
    texts[index] = two[index % 2];
  }
  TinyModel tiny;
  tiny.config["num_hidden_layers"] = 1;
  std::erase_if(tiny.tensors, [](const auto& entry) { return entry.first.starts_with("encoder.layer.1."); });
  const TextEncoder small = encoder(tiny, {}, 2, 512);
  const Embeddings expected = small.embed(two, {});
  const Embeddings found = small.embed(texts, {});
  std::size_t different = 0;
  for (std::size_t index = 0; index < texts.size(); ++index) {
    different += row(found, index) == row(expected, index % 2) ? 0U : 1U;
  }
  EXPECT_EQ(different, 0U);
}

TEST(TextEncoderReport, CountsTokensAndTellsWhatWasCut) {
  const Embeddings found = encoder(TinyModel()).embed(kTexts, {.max_length = 6});
  EXPECT_EQ(found.items[0].tokens, 6);  // [CLS] the cat sat on [SEP]
  EXPECT_EQ(found.items[0].tokens_in_text, 8);
  EXPECT_TRUE(found.items[0].truncated());
  EXPECT_EQ(found.items[1].tokens, 2);  // the empty text
  EXPECT_FALSE(found.items[2].truncated());
}

TEST(TextEncoderReport, CutsToTheLimitKeepingTheSpecialTokens) {
  const TextEncoder tiny = encoder(TinyModel());
  EXPECT_EQ(row(tiny.embed(Texts{"the cat sat on the mat"}, {.max_length = 6}), 0),
            row(tiny.embed(Texts{"the cat sat on"}, {}), 0));
}

TEST(TextEncoderOverflow, NamesTextCountAndLimit) {
  const EmbedOptions options{.max_length = 8, .on_overflow = Overflow::kError};
  EXPECT_ERROR(kTooLong, "text 3 has 11 tokens with special ones, the limit is 8 (from max_length)",
               encoder(TinyModel()).embed(kTexts, options));
  TinyModel tiny;
  tiny.folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 9}});
  EXPECT_ERROR(kTooLong, "the limit is 9 (from sentence_bert_config.json)",
               encoder(tiny).embed(kTexts, {.on_overflow = Overflow::kError}));
}

TEST(TextEncoderOptions, MaxLengthMayRiseToThePositionsAndNoFurther) {
  TinyModel tiny;
  tiny.folder.write_json("sentence_bert_config.json", Json{{"max_seq_length", 4}});
  const TextEncoder short_texts = encoder(tiny);
  EXPECT_EQ(short_texts.embed(kTexts, {}).items[3].tokens, 4);
  EXPECT_EQ(short_texts.embed(kTexts, {.max_length = 32}).items[3].tokens, 11);
  EXPECT_ERROR(kInvalidInput, "max_length is 33, wanted 3", short_texts.embed(kTexts, {.max_length = 33}));
  EXPECT_ERROR(kInvalidInput, "max_length is 2, wanted 3", short_texts.embed(kTexts, {.max_length = 2}));
}

TEST(TextEncoderOptions, DimensionsAreCutBeforeNormalising) {
  const TextEncoder tiny = encoder(TinyModel());
  const std::vector<float> raw = row(tiny.embed(Texts{"the cat"}, {.normalize = Normalize::kNever}), 0);
  const Embeddings cut = tiny.embed(Texts{"the cat"}, {.dimensions = 3});
  EXPECT_EQ(cut.dim, 3);
  const float length = norm({raw.begin(), raw.begin() + 3});
  for (std::size_t index = 0; index < 3; ++index) {
    EXPECT_NEAR(cut.row(0)[index], raw[index] / length, 1e-6F);  // two roundings of numbers up to 1
  }
  EXPECT_ERROR(kInvalidInput, "dimensions is 9, wanted 1 to 8", tiny.embed(kTexts, {.dimensions = 9}));
  EXPECT_ERROR(kInvalidInput, "dimensions is 0, wanted 1 to 8", tiny.embed(kTexts, {.dimensions = 0}));
}

TEST(TextEncoderOptions, DimensionsMayRiseAboveTheCheckpointsOwn) {
  TinyModel tiny;
  tiny.folder.write_json("config_sentence_transformers.json", Json{{"truncate_dim", 3}});
  const TextEncoder truncated = encoder(tiny);
  EXPECT_EQ(truncated.embed(kTexts, {}).dim, 3);
  EXPECT_EQ(truncated.embed(kTexts, {.dimensions = 8}).dim, 8);
}

TEST(TextEncoderOptions, NormalizeAsAskedOrDeclared) {
  TinyModel tiny;
  const std::vector<float> raw = row(encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kNever}), 0);
  EXPECT_GT(std::abs(norm(raw) - 1.0F), 0.01F);
  EXPECT_EQ(row(encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kDeclared}), 0), raw);

  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"pooling_mode", "mean"}});
  tiny.add_module("Normalize", "2_Normalize");
  EXPECT_NEAR(norm(row(encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kDeclared}), 0)), 1.0F, 1e-6F);
  EXPECT_EQ(row(encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kNever}), 0), raw);
}

TEST(TextEncoderOptions, ADenseLayerAppliesAfterThePooling) {
  TinyModel tiny;
  const std::vector<float> pooled = row(encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kNever}), 0);
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"pooling_mode", "mean"}});
  tiny.add_dense("2_Dense", 8, 1, 50);
  const std::vector<float> weight = testing::random_tensor({1, 8}, 50).values;
  const float bias = testing::random_tensor({1}, 51).values[0];

  const Embeddings found = encoder(tiny).embed(Texts{"the cat"}, {.normalize = Normalize::kNever});
  ASSERT_EQ(found.dim, 1);
  EXPECT_NEAR(found.values[0], std::tanh(std::inner_product(pooled.begin(), pooled.end(), weight.begin(), bias)),
              1e-6F);
}

TEST(TextEncoderPrompts, ArePutBeforeEveryText) {
  const TextEncoder tiny = encoder(with_prompts());
  const std::vector<float> expected = row(tiny.embed(Texts{"query : the cat"}, {}), 0);
  EXPECT_EQ(row(tiny.embed(Texts{"the cat"}, {.prompt_name = "query"}), 0), expected);
  EXPECT_EQ(row(tiny.embed(Texts{"the cat"}, {.prompt_name = "none", .prompt = "query : "}), 0), expected);
  EXPECT_NE(row(tiny.embed(Texts{"the cat"}, {}), 0), expected);
  EXPECT_ERROR(kInvalidInput, "'qery'", tiny.embed(kTexts, {.prompt_name = "qery"}));
  EXPECT_ERROR(kInvalidInput, "the prompt is not valid UTF-8", tiny.embed(kTexts, {.prompt = "\xff"}));
}

TEST(TextEncoderPrompts, AreUsedByDefaultIfTheCheckpointSaysSo) {
  TinyModel tiny;
  tiny.folder.write_json("config_sentence_transformers.json",
                         Json{{"prompts", {{"query", "query : "}}}, {"default_prompt_name", "query"}});
  const TextEncoder prompted = encoder(tiny);
  EXPECT_EQ(prompted.embed(Texts{"the cat"}, {}).items[0].tokens, 6);
  EXPECT_EQ(prompted.embed(Texts{"the cat"}, {.prompt = ""}).items[0].tokens, 4);
}

TEST(TextEncoderPrompts, StayOutOfThePoolingIfTheCheckpointSaysSo) {
  TinyModel tiny;
  tiny.add_module("Transformer", "");
  tiny.add_module("Pooling", "1_Pooling", {{"pooling_mode", "mean"}, {"include_prompt", false}});
  const TextEncoder excluding = encoder(tiny);
  const EmbedOptions options{.prompt = "query : ", .normalize = Normalize::kNever};
  const std::vector<float> found = row(excluding.embed(Texts{"the cat"}, options), 0);

  // [CLS] query : the cat [SEP]: the closing token is no part of the prompt, the opening one is.
  const TokenEmbeddings tokens = excluding.token_embeddings(Texts{"the cat"}, options).front();
  ASSERT_THAT(tokens.ids, ElementsAre(2, 15, 16, 5, 6, 3));
  for (std::size_t column = 0; column < 8; ++column) {
    const float sum = tokens.values[3 * 8 + column] + tokens.values[4 * 8 + column] + tokens.values[5 * 8 + column];
    EXPECT_NEAR(found[column], sum / 3, 1e-6F);
  }
}

TEST(TextEncoderPrompts, MayBeOneForEachText) {
  for (const bool include_prompt : {true, false}) {
    TinyModel tiny;
    tiny.add_module("Transformer", "");
    tiny.add_module("Pooling", "1_Pooling", {{"pooling_mode", "mean"}, {"include_prompt", include_prompt}});
    const TextEncoder encoder = testing::encoder(tiny);
    const Texts texts = {"the cat", "the cat", "dog"};
    const Embeddings together = encoder.embed(texts, {.prompts = {"query : ", "", "red green "}});
    EXPECT_EQ(row(together, 0), row(encoder.embed(Texts{"the cat"}, {.prompt = "query : "}), 0));
    EXPECT_EQ(row(together, 1), row(encoder.embed(Texts{"the cat"}, {}), 0));
    EXPECT_EQ(row(together, 2), row(encoder.embed(Texts{"dog"}, {.prompt = "red green "}), 0));
    EXPECT_NE(row(together, 0), row(together, 1));
    EXPECT_ERROR(kInvalidInput, "2 prompts for 3 texts", encoder.embed(texts, {.prompts = {"a", "b"}}));
  }
}

TEST(TextEncoderCasing, LowersTextsIfTheCheckpointSaysSo) {
  TinyModel tiny;
  EXPECT_NE(row(encoder(tiny).embed(Texts{"The CAT"}, {}), 0), row(encoder(tiny).embed(Texts{"the cat"}, {}), 0));
  tiny.folder.write_json("sentence_bert_config.json", Json{{"do_lower_case", true}});
  EXPECT_EQ(row(encoder(tiny).embed(Texts{"The CAT"}, {}), 0), row(encoder(tiny).embed(Texts{"the cat"}, {}), 0));
}

TEST(TextEncoder, GivesZerosForATextWithoutTokens) {
  TinyModel tiny;
  tiny.tokenizer["post_processor"] = nullptr;
  const Embeddings found = encoder(tiny).embed(Texts{"", "the cat", "   "}, {});
  EXPECT_THAT(row(found, 0), Each(0.0F));
  EXPECT_THAT(row(found, 2), Each(0.0F));
  EXPECT_EQ(found.items[0].tokens, 0);
  EXPECT_EQ(found.items[1].tokens, 2);
  EXPECT_NEAR(norm(row(found, 1)), 1.0F, 1e-6F);
}

TEST(TextEncoderErrors, NameTheTextThatIsNoUtf8BeforeAnyWork) {
  bool worked = false;
  const EmbedOptions options{.on_progress = [&](const Progress&) { return worked = true; }};
  EXPECT_ERROR(kInvalidInput, "text 2 is not valid UTF-8",
               encoder(TinyModel()).embed(Texts{"ok", "gr\xc3\xbc\xc3\x9f", "\xc3("}, options));
  EXPECT_FALSE(worked);
}

TEST(TextEncoderErrors, WithholdNanAndInfinityAndNameTheText) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    TinyModel tiny;
    tiny.tensors["embeddings.word_embeddings.weight"].values[6 * 8] = bad;  // "cat"
    const TextEncoder poisoned = encoder(tiny);
    EXPECT_ERROR(kNonFinite, "text 1 has a result with NaN or infinity", poisoned.embed(Texts{"dog", "the cat"}, {}));
    EXPECT_ERROR(kNonFinite, "text 1 has a result with NaN", poisoned.token_embeddings(Texts{"dog", "the cat"}, {}));
    EXPECT_NO_THROW((void)poisoned.embed(Texts{"dog"}, {}));
  }
}

TEST(TextEncoderErrors, RefuseATokenTypeThatTheModelLacks) {
  TinyModel tiny;
  tiny.tokenizer["post_processor"]["single"][1]["Sequence"]["type_id"] = 2;
  EXPECT_ERROR(kCorruptModel, "token type 2, the model has 2", encoder(tiny).embed(kTexts, {}));
}

TEST(TextEncoderProgress, CountsTextsAndTokensToTheEnd) {
  std::vector<Progress> seen;
  const EmbedOptions options{.batch_tokens = 10, .on_progress = [&](const Progress& progress) {
                               seen.push_back(progress);
                               return true;
                             }};
  const Embeddings found = encoder(TinyModel(), {}, 2).embed(kTexts, options);
  ASSERT_GT(seen.size(), 2U);
  std::size_t tokens = 0;
  for (const ItemReport& item : found.items) {
    tokens += static_cast<std::size_t>(item.tokens);
  }
  EXPECT_EQ(seen.back().done, kTexts.size());
  EXPECT_EQ(seen.back().total, kTexts.size());
  EXPECT_EQ(seen.back().tokens, tokens);
  EXPECT_TRUE(std::ranges::is_sorted(seen, {}, &Progress::done));
}

TEST(TextEncoderProgress, CountsTextsWithoutTokensToo) {
  TinyModel tiny;
  tiny.tokenizer["post_processor"] = nullptr;
  std::size_t done = 0;
  const EmbedOptions options{.on_progress = [&](const Progress& progress) {
    done = progress.done;
    return true;
  }};
  (void)encoder(tiny).embed(Texts{"", "the cat", ""}, options);
  EXPECT_EQ(done, 3U);
}

TEST(TextEncoderProgress, CancelsWhenTheCallbackSaysSo) {
  int calls = 0;
  const EmbedOptions options{.batch_tokens = 1, .on_progress = [&](const Progress&) { return ++calls < 3; }};
  EXPECT_ERROR(kCancelled, "cancelled after 3 of 8 texts", encoder(TinyModel()).embed(kTexts, options));
  EXPECT_EQ(calls, 3);
}

TEST(TokenEmbeddingsOfTexts, HoldIdsAndOneVectorPerToken) {
  const TextEncoder tiny = encoder(TinyModel());
  const std::vector<TokenEmbeddings> found = tiny.token_embeddings(Texts{"", "the cat sat on"}, {.max_length = 4});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0].ids, ElementsAre(2, 3));
  EXPECT_THAT(found[1].ids, ElementsAre(2, 5, 6, 3));
  EXPECT_EQ(found[1].dim, 8);
  EXPECT_THAT(found[1].values, SizeIs(4 * 8));
  EXPECT_EQ(found[1].report.tokens_in_text, 6);
}

TEST(TokenEmbeddingsOfTexts, AverageToTheMeanPooledVector) {
  const TextEncoder tiny = encoder(TinyModel());
  const std::vector<float> pooled = row(tiny.embed(Texts{"the cat"}, {.normalize = Normalize::kNever}), 0);
  const TokenEmbeddings tokens = tiny.token_embeddings(Texts{"the cat"}, {}).front();
  for (std::size_t column = 0; column < 8; ++column) {
    float sum = 0;
    for (std::size_t token = 0; token < 4; ++token) {
      sum += tokens.values[token * 8 + column];
    }
    EXPECT_NEAR(pooled[column], sum / 4, 1e-6F);
  }
}

}  // namespace
}  // namespace mlxe
