// A GGUF file in the words of a checkpoint: what is missing, contradicts itself or is not supported is named.
#include "weights/gguf_model.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/json.h"
#include "base/scratch_folder.h"
#include "mlxe/error.h"
#include "support/expect_error.h"
#include "weights/gguf_bytes.h"

namespace mlxe {
namespace {

using mlxe::testing::GgufBytes;
using mlxe::testing::ScratchFolder;
using ::testing::HasSubstr;

GgufModel read(const GgufBytes& bytes) {
  const ScratchFolder folder;
  folder.write("m.gguf", bytes.str());
  return read_gguf_model(folder.path() / "m.gguf");
}

GgufBytes bert() {
  GgufBytes bytes;
  bytes.text("general.architecture", "bert").integer("bert.block_count", 1).integer("bert.embedding_length", 4);
  bytes.integer("bert.attention.head_count", 2).integer("bert.feed_forward_length", 8);
  bytes.number("bert.attention.layer_norm_epsilon", 1e-12F);
  bytes.tensor("token_embd.weight", {4, 3}, 0).data(std::string(48, '\0'));
  bytes.tensor("position_embd.weight", {4, 5}, 0).data(std::string(80, '\0'));
  return bytes;
}

/// bert() with a vocabulary of WordPiece.
GgufBytes worded(const std::vector<std::string>& tokens = {"[CLS]", "[SEP]", "\u2581bread"}) {
  return bert()
      .text("tokenizer.ggml.model", "bert")
      .texts("tokenizer.ggml.tokens", tokens)
      .integer("tokenizer.ggml.cls_token_id", 0)
      .integer("tokenizer.ggml.seperator_token_id", 1);
}

TEST(GgufModel, IsReadInTheWordsOfACheckpoint) {
  const GgufModel model =
      read(worded({"[CLS]", "[SEP]", "\u2581bread", "ly", "[UNK]"}).integer("bert.pooling_type", 2));
  EXPECT_EQ(model.config.text("model_type"), "bert");
  EXPECT_EQ(model.config.number("layer_norm_eps", 0, 1), 1e-12);  // as config.json had it, not float32's neighbour
  EXPECT_EQ(model.config.integer("max_position_embeddings", 1, 99), 5);
  EXPECT_EQ(model.config.integer("vocab_size", 1, 99), 3);
  EXPECT_TRUE(model.tensors.contains("embeddings.word_embeddings.weight"));
  EXPECT_EQ(model.pooling, "cls");
  const Json tokenizer = parse_json(model.tokenizer_json.value(), "tokenizer.json");
  const Json vocabulary = {{"[CLS]", 0}, {"[SEP]", 1}, {"bread", 2}, {"##ly", 3}, {"[UNK]", 4}};
  EXPECT_EQ(tokenizer.at("model").at("vocab"), vocabulary);
  EXPECT_EQ(tokenizer.at("normalizer").at("lowercase"), true);
  EXPECT_EQ(tokenizer.at("added_tokens").size(), 2U);
}

TEST(GgufModel, OfAVocabularyWithCapitalsKeepsThem) {
  const GgufModel model = read(worded({"[CLS]", "[SEP]", "\u2581Bread"}));
  EXPECT_THAT(model.tokenizer_json.value(), HasSubstr(R"("lowercase":false)"));
}

TEST(GgufModel, LeavesPoolingOpenWhereTheFileDoes) {
  EXPECT_EQ(read(worded()).pooling, std::nullopt);
  EXPECT_EQ(read(worded().integer("bert.pooling_type", 0)).pooling, std::nullopt);
  EXPECT_EQ(read(worded().integer("bert.pooling_type", 3)).pooling, "lasttoken");
  EXPECT_ERROR(kUnsupported, "'bert.pooling_type' is rank", read(worded().integer("bert.pooling_type", 4)));
  EXPECT_ERROR(kCorruptModel, "'bert.pooling_type' is 9, wanted 0 to 4",
               read(worded().integer("bert.pooling_type", 9)));
}

TEST(GgufModel, RefusesArchitectures) {
  EXPECT_ERROR(kUnsupported, "architecture 'mamba' is not supported in GGUF files, wanted bert, nomic-bert",
               read(GgufBytes().text("general.architecture", "mamba")));
  EXPECT_ERROR(kUnsupported, "architecture '' is not supported", read(GgufBytes()));
  EXPECT_ERROR(kUnsupported, "leaves out the bias of its experts",
               read(GgufBytes().text("general.architecture", "nomic-bert-moe")));
  EXPECT_ERROR(kUnsupported, "split into several files", read(worded().integer("split.count", 2)));
}

TEST(GgufModel, NamesWhatIsMissing) {
  EXPECT_ERROR(kCorruptModel, "no 'bert.attention.layer_norm_epsilon' in the metadata",
               read(GgufBytes()
                        .text("general.architecture", "bert")
                        .integer("bert.block_count", 1)
                        .integer("bert.embedding_length", 4)
                        .integer("bert.attention.head_count", 2)
                        .integer("bert.feed_forward_length", 8)
                        .tensor("token_embd.weight", {4, 3}, 0)
                        .data(std::string(48, '\0'))));
  EXPECT_ERROR(kCorruptModel, "no tensor 'token_embd.weight'",
               read(GgufBytes().text("general.architecture", "bert").text("tokenizer.ggml.model", "")));
}

TEST(GgufModel, NamesTensorsThatItsArchitectureDoesNotHave) {
  const auto with = [](const char* name) { return read(worded().tensor(name, {4}, 0).data(std::string(16, '\0'))); };
  for (const char* name : {"blk.0.ssm.weight", "blk.x.attn_q.weight", "blk.0", "attn_q.weight",
                           "blk.0.token_embd.weight", "blk.0.attn_q.scale", "blk.-1.attn_q.weight"}) {
    EXPECT_ERROR(kCorruptModel, fmt::format("tensor '{}' is none that the architecture 'bert' has", name), with(name));
  }
  EXPECT_ERROR(kUnsupported, "'cls.output.weight' of 'bert' belongs to a classifier", with("cls.output.weight"));
  EXPECT_ERROR(kUnsupported, "'rope_freqs.weight' of 'bert' scales its rope", with("rope_freqs.weight"));
}

TEST(GgufModel, SaysWhyATokenizerCannotBeRebuilt) {
  const auto gap = [](GgufBytes bytes) {
    const GgufModel model = read(bytes);
    EXPECT_EQ(model.tokenizer_json, std::nullopt);
    return model.tokenizer_gap;
  };
  EXPECT_THAT(gap(bert()), HasSubstr("it has no vocabulary"));
  EXPECT_THAT(gap(bert().text("tokenizer.ggml.model", "rwkv").texts("tokenizer.ggml.tokens", {"a"})),
              HasSubstr("its kind 'rwkv' is not known"));
  EXPECT_THAT(gap(bert()
                      .text("tokenizer.ggml.model", "gpt2")
                      .text("tokenizer.ggml.pre", "viking")
                      .texts("tokenizer.ggml.tokens", {"a"})),
              HasSubstr("'tokenizer.ggml.pre' 'viking'"));
}

TEST(GgufModel, NamesWhatContradictsItselfInAVocabulary) {
  EXPECT_ERROR(kCorruptModel, "no 'tokenizer.ggml.tokens'", read(bert().text("tokenizer.ggml.model", "bert")));
  EXPECT_ERROR(kCorruptModel, "'tokenizer.ggml.mask_token_id' is 3, the vocabulary has 3 tokens",
               read(worded().integer("tokenizer.ggml.mask_token_id", 3)));
  EXPECT_ERROR(kCorruptModel, "token 'bread' is in the vocabulary twice",
               read(worded({"[CLS]", "[SEP]", "\u2581bread", "\u2581bread"})));
  EXPECT_ERROR(kCorruptModel, "token 2 of 'tokenizer.ggml.tokens' is no UTF-8",
               read(worded({"[CLS]", "[SEP]", "\xFF"})));
  const std::string one_type =
      GgufBytes::bytes_of(5U) + GgufBytes::bytes_of(std::uint64_t{1}) + GgufBytes::bytes_of(1U);
  EXPECT_ERROR(kCorruptModel, "'tokenizer.ggml.token_type' has 1 entries for 3 tokens",
               read(worded().value("tokenizer.ggml.token_type", 9, one_type)));
  EXPECT_ERROR(kCorruptModel, "no 'tokenizer.ggml.cls_token_id'",
               read(bert().text("tokenizer.ggml.model", "bert").texts("tokenizer.ggml.tokens", {"a"})));
  const auto bpe = [] {
    return bert()
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "gpt-2")
        .texts("tokenizer.ggml.tokens", {"a", "b"})
        .integer("tokenizer.ggml.bos_token_id", 0)
        .integer("tokenizer.ggml.eos_token_id", 1);
  };
  EXPECT_ERROR(kCorruptModel, "no 'tokenizer.ggml.merges'", read(bpe()));
  EXPECT_ERROR(kCorruptModel, "'tokenizer.ggml.merges' holds 'ab', wanted two pieces",
               read(bpe().texts("tokenizer.ggml.merges", {"ab"})));
}

/// The table of characters goes into tokenizer.json as base64 has it.
TEST(GgufModel, KeepsTheTableOfCharacters) {
  const auto with_table = [](const std::string& table) {
    std::string scores = GgufBytes::bytes_of(6U) + GgufBytes::bytes_of(std::uint64_t{3}) + std::string(12, '\0');
    return read(bert()
                    .text("tokenizer.ggml.model", "t5")
                    .texts("tokenizer.ggml.tokens", {"<s>", "</s>", "a"})
                    .value("tokenizer.ggml.scores", 9, scores)
                    .integer("tokenizer.ggml.bos_token_id", 0)
                    .integer("tokenizer.ggml.eos_token_id", 1)
                    .value("tokenizer.ggml.precompiled_charsmap", 9,
                           GgufBytes::bytes_of(0U) + GgufBytes::bytes_of(std::uint64_t{table.size()}) + table))
        .tokenizer_json.value();
  };
  EXPECT_THAT(with_table("Man"), HasSubstr(R"("precompiled_charsmap":"TWFu")"));
  EXPECT_THAT(with_table("Ma"), HasSubstr(R"("precompiled_charsmap":"TWE=")"));
  EXPECT_THAT(with_table("M\xFF\xFEx"), HasSubstr(R"("precompiled_charsmap":"Tf/+eA==")"));
}

/// Whatever byte is wrong: an error of ours or a model, and every tensor can be made.
TEST(GgufModel, SurvivesAnyByte) {
  const ScratchFolder folder;
  const std::string whole = worded().str();
  int refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flipped : {0x01U, 0x80U, 0xFFU}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ flipped);
      folder.write("m.gguf", bytes);
      try {
        for (const auto& [name, stored] : read_gguf_model(folder.path() / "m.gguf").tensors) {
          EXPECT_TRUE((stored.decode ? stored.decode() : stored.tensor).has_data());
        }
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(FindGguf, TakesAFileOrAFoldersOnlyOne) {
  const ScratchFolder folder;
  EXPECT_EQ(find_gguf(folder.path()), std::nullopt);
  folder.write("a.gguf", "");
  folder.write("config.json", "{}");
  EXPECT_EQ(find_gguf(folder.path()), folder.path() / "a.gguf");
  folder.write("b.gguf", "");
  EXPECT_EQ(find_gguf(folder.path() / "b.gguf"), folder.path() / "b.gguf");
  EXPECT_ERROR(kUnsupported, "holds 2 GGUF files, name one of them: a.gguf, b.gguf", find_gguf(folder.path()));
  folder.write("model.safetensors", "");
  EXPECT_EQ(find_gguf(folder.path()), std::nullopt);  // which says more
  EXPECT_EQ(find_gguf(folder.path() / "config.json"), std::nullopt);
}

}  // namespace
}  // namespace mlxe
