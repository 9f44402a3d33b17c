// Vocabularies as llama.cpp keeps them, and the tokenizer.json that they came from. Source: set_vocab() and
// gguf-py/gguf/vocab.py in github.com/ggml-org/llama.cpp; for merges transformers' generate_merges()
#include "weights/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/utf8.h"
#include "weights/gguf_vocabulary.h"

namespace mlxe {
namespace {

constexpr std::string_view kSpace = "\u2581";
// A vocabulary that keeps capitals has them in every third word or so; one that was lower-cased may have a stray one.
constexpr std::size_t kFewCapitals = 100;

// What splits a text into words before byte pairs are joined.
constexpr const char* kQwenSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlamaSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// A word for how byte-level BPE splits, and what it stands for.
struct PreTokenizer {
  std::string_view name;
  const char* split;  ///< nullptr: GPT-2's own
  bool composes;      ///< texts are put into NFC first
  bool ignores_merges;
};

constexpr std::array kPreTokenizers = {
    PreTokenizer{"qwen2", kQwenSplit, true, false},      PreTokenizer{"deepseek-r1-qwen", kQwenSplit, true, false},
    PreTokenizer{"llama-bpe", kLlamaSplit, false, true}, PreTokenizer{"llama3", kLlamaSplit, false, true},
    PreTokenizer{"llama-v3", kLlamaSplit, false, true},  PreTokenizer{"gpt-2", nullptr, false, false},
    PreTokenizer{"roberta-bpe", nullptr, false, false},  PreTokenizer{"modern-bert", nullptr, true, false},
};

/// Something in a template: a special token, or text A or B.
using Step = std::variant<std::size_t, char>;

Json template_of(const GgufVocabulary& vocabulary, const std::vector<Step>& single, const std::vector<Step>& pair) {
  Json special = Json::object();
  const auto steps = [&](const std::vector<Step>& wanted) {
    Json list = Json::array();
    int type = 0;
    for (const Step& step : wanted) {
      if (const auto* const text = std::get_if<char>(&step)) {
        type = *text == 'B' ? 1 : type;
        list.push_back({{"Sequence", {{"id", std::string(1, *text)}, {"type_id", type}}}});
      } else {
        const std::size_t id = std::get<std::size_t>(step);
        const std::string& token = vocabulary.tokens()[id];
        special[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
        list.push_back({{"SpecialToken", {{"id", token}, {"type_id", type}}}});
      }
    }
    return list;
  };
  Json processor = {{"type", "TemplateProcessing"}, {"single", steps(single)}, {"pair", steps(pair)}};
  processor["special_tokens"] = special;
  return processor;
}

/// [CLS] A [SEP] of encoders, with two of the second between the texts of a pair for RoBERTa.
Json encoder_template(const GgufVocabulary& vocabulary, const std::string& family) {
  const auto first = vocabulary.first_of({"cls", "bos"});
  const auto last = vocabulary.first_of({"seperator", "eos"});
  if (!first || !last) {
    vocabulary.fail("no 'tokenizer.ggml.cls_token_id' and 'tokenizer.ggml.seperator_token_id' in the metadata");
  }
  std::vector<Step> pair = {*first, 'A', *last, 'B', *last};
  if (family == "roberta" || vocabulary.file().text("tokenizer.ggml.pre") == "roberta-bpe") {
    pair.insert(pair.begin() + 3, *last);
  }
  return template_of(vocabulary, {*first, 'A', *last}, pair);
}

/// What a decoder's file says of its ends; null if it adds nothing.
Json decoder_template(const GgufVocabulary& vocabulary, bool begins_by_default) {
  std::vector<Step> single = {'A'};
  std::vector<Step> pair = {'A', 'B'};
  const GgufFile& file = vocabulary.file();
  const auto bos = vocabulary.id_of("bos");
  const auto eos = vocabulary.id_of("eos");
  if (bos && file.boolean("tokenizer.ggml.add_bos_token").value_or(begins_by_default)) {
    single.insert(single.begin(), *bos);
    pair = {*bos, 'A', *bos, 'B'};
  }
  if (eos && file.boolean("tokenizer.ggml.add_eos_token").value_or(false)) {
    single.push_back(*eos);
    pair.push_back(*eos);
  }
  return single.size() == 1 ? Json() : template_of(vocabulary, single, pair);
}

bool is_encoder(const std::string& family) {
  return family == "bert" || family == "roberta" || family == "nomic-bert" || family == "modern-bert" ||
         family.starts_with("jina-bert-v2");
}

Json document(const Json& added, Json normalizer, Json pre_tokenizer, Json post_processor, Json decoder, Json model) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", std::move(normalizer)},
          {"pre_tokenizer", std::move(pre_tokenizer)},
          {"post_processor", std::move(post_processor)},
          {"decoder", std::move(decoder)},
          {"model", std::move(model)}};
}

/// llama.cpp marks the beginning of a word where WordPiece marks what is not one.
Json wordpiece(GgufVocabulary& vocabulary, const std::string& family) {
  std::size_t num_capitalised = 0;
  for (std::size_t id = 0; id < vocabulary.tokens().size(); ++id) {
    std::string& token = vocabulary.tokens()[id];
    const bool is_name = token.starts_with('[') && token.ends_with(']');
    if (vocabulary.kind(id) == GgufVocabulary::kControl || vocabulary.kind(id) == GgufVocabulary::kUnknown || is_name) {
      continue;
    }
    if (token.starts_with(kSpace)) {
      token.erase(0, kSpace.size());
    } else {
      token.insert(0, "##");
    }
    const bool is_word = token.find("[unused") == std::string::npos && vocabulary.kind(id) != GgufVocabulary::kUnused;
    const bool is_capitalised = std::ranges::any_of(token, [](char c) { return c >= 'A' && c <= 'Z'; });
    num_capitalised += is_word && is_capitalised ? 1 : 0;
  }
  const auto unknown = vocabulary.id_of("unknown");
  const std::string unknown_token = unknown ? vocabulary.tokens()[*unknown] : "[UNK]";
  return document(vocabulary.added_tokens(false),
                  {{"type", "BertNormalizer"},
                   {"clean_text", true},
                   {"handle_chinese_chars", true},
                   {"strip_accents", nullptr},
                   {"lowercase", num_capitalised <= vocabulary.tokens().size() / kFewCapitals}},
                  {{"type", "BertPreTokenizer"}}, encoder_template(vocabulary, family),
                  {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}},
                  {{"type", "WordPiece"},
                   {"unk_token", unknown_token},
                   {"continuing_subword_prefix", "##"},
                   {"max_input_chars_per_word", 100},
                   {"vocab", vocabulary.ids()}});
}

Json written_merges(const GgufVocabulary& vocabulary) {
  const auto* const merges = vocabulary.file().texts("tokenizer.ggml.merges");
  if (merges == nullptr) {
    vocabulary.fail("no 'tokenizer.ggml.merges' in the metadata");
  }
  Json list = Json::array();
  for (const std::string& merge : *merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size()) {
      vocabulary.fail(fmt::format("'tokenizer.ggml.merges' holds '{}', wanted two pieces", printable(merge, 60)));
    }
    list.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  return list;
}

Json byte_level(const GgufVocabulary& vocabulary, const PreTokenizer& pre, const std::string& family) {
  const Json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", pre.split == nullptr}};
  Json pre_tokenizer = bytes;
  if (pre.split != nullptr) {
    pre_tokenizer = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", pre.split}}}, {"behavior", "Isolated"}, {"invert", false}},
          bytes}}};
  }
  Json ends = is_encoder(family) ? encoder_template(vocabulary, family) : decoder_template(vocabulary, false);
  Json post_processor = bytes;
  if (!ends.is_null()) {
    post_processor = {{"type", "Sequence"}, {"processors", {bytes, std::move(ends)}}};
  }
  return document(vocabulary.added_tokens(true), pre.composes ? Json{{"type", "NFC"}} : Json(), pre_tokenizer,
                  post_processor, bytes,
                  {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", pre.ignores_merges},
                   {"vocab", vocabulary.ids()},
                   {"merges", written_merges(vocabulary)}});
}

const std::vector<double>& scores_of(const GgufVocabulary& vocabulary) {
  const auto* const scores = vocabulary.file().numbers("tokenizer.ggml.scores");
  if (scores == nullptr || scores->size() != vocabulary.tokens().size()) {
    vocabulary.fail(fmt::format("'tokenizer.ggml.scores' has {} entries for {} tokens",
                                scores == nullptr ? 0 : scores->size(), vocabulary.tokens().size()));
  }
  return *scores;
}

Json unigram(GgufVocabulary& vocabulary, const std::string& family) {
  const GgufFile& file = vocabulary.file();
  std::vector<std::string>& tokens = vocabulary.tokens();
  // The converter leaves the mask of XLM-RoBERTa out of what it read from SentencePiece's own file.
  if (family == "roberta" && std::ranges::find(tokens, "<mask>") == tokens.end() && tokens.back().starts_with("[PAD")) {
    tokens.back() = "<mask>";
    vocabulary.set_kind(tokens.size() - 1, GgufVocabulary::kControl);
  }
  const std::vector<double>& scores = scores_of(vocabulary);
  const auto unknown = vocabulary.id_of("unknown");
  Json pieces = Json::array();
  std::size_t unknown_id = unknown.value_or(0);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!unknown && vocabulary.kind(id) == GgufVocabulary::kUnknown) {
      unknown_id = id;
    }
    pieces.push_back({tokens[id], scores[id]});
  }
  Json normalizer;
  if (const auto* const map = file.integers("tokenizer.ggml.precompiled_charsmap"); map != nullptr && !map->empty()) {
    normalizer = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(std::string(map->begin(), map->end()))}};
  }
  const Json spaces = {{"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", "always"}, {"split", true}};
  return document(vocabulary.added_tokens(true), normalizer,
                  {{"type", "Sequence"}, {"pretokenizers", {{{"type", "WhitespaceSplit"}}, spaces}}},
                  is_encoder(family) ? encoder_template(vocabulary, family) : decoder_template(vocabulary, false),
                  spaces, {{"type", "Unigram"}, {"unk_id", unknown_id}, {"vocab", pieces}, {"byte_fallback", false}});
}

/// Every way to put a token together from two others, the best tokens first.
Json implied_merges(const GgufVocabulary& vocabulary, const std::vector<double>& ranks) {
  struct Merge {
    std::string_view left;
    std::string_view right;
    double rank;
    std::size_t left_length;  // characters
    std::size_t right_length;
  };
  const std::vector<std::string>& tokens = vocabulary.tokens();
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    ids.emplace(tokens[id], id);
  }
  std::vector<Merge> merges;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string_view token = tokens[id];
    const std::size_t first = merges.size();
    const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
    const auto length = static_cast<std::size_t>(std::ranges::count_if(token, is_start));
    std::size_t before = 0;
    for (std::size_t cut = 0; cut < token.size(); ++cut) {
      if (cut > 0 && is_start(token[cut])) {
        const std::string_view left = token.substr(0, cut);
        const std::string_view right = token.substr(cut);
        if (ids.contains(left) && ids.contains(right)) {
          merges.push_back({left, right, ranks[id], before, length - before});
        }
      }
      before += is_start(token[cut]) ? 1 : 0;
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(), [&](const Merge& a, const Merge& b) {
      return std::pair(ids.at(a.left), ids.at(a.right)) < std::pair(ids.at(b.left), ids.at(b.right));
    });
  }
  std::ranges::stable_sort(merges, [](const Merge& a, const Merge& b) {
    return std::tuple(a.rank, a.left_length, a.right_length) > std::tuple(b.rank, b.left_length, b.right_length);
  });
  Json list = Json::array();
  for (const Merge& merge : merges) {
    list.push_back({merge.left, merge.right});
  }
  return list;
}

Json sentencepiece(GgufVocabulary& vocabulary, const std::string& family) {
  const bool is_gemma = family == "gemma-embedding";
  std::vector<double> ranks = scores_of(vocabulary);
  if (is_gemma) {
    // Its scores do not follow the order in which its pairs were joined; the order of the tokens does. Tokens of spaces
    // are written as such.
    for (std::size_t id = 0; id < ranks.size(); ++id) {
      ranks[id] = -static_cast<double>(id);
      std::string& token = vocabulary.tokens()[id];
      if (token.size() > 1 && token.find_first_not_of(' ') == std::string::npos) {
        const std::size_t count = token.size();
        token.clear();
        for (std::size_t i = 0; i < count; ++i) {
          token += kSpace;
        }
      }
    }
  }
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}};
  Json normalizer = replace;
  if (!is_gemma && vocabulary.file().boolean("tokenizer.ggml.add_space_prefix").value_or(true)) {
    normalizer = {{"type", "Sequence"}, {"normalizers", {{{"type", "Prepend"}, {"prepend", kSpace}}, replace}}};
  }
  Json pre_tokenizer;
  if (is_gemma) {
    pre_tokenizer = {
        {"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
  }
  const auto unknown = vocabulary.id_of("unknown");
  const auto* const merges = vocabulary.file().texts("tokenizer.ggml.merges");
  return document(vocabulary.added_tokens(false), normalizer, pre_tokenizer, decoder_template(vocabulary, true),
                  {{"type", "Sequence"},
                   {"decoders",
                    {{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                     {{"type", "ByteFallback"}},
                     {{"type", "Fuse"}}}}},
                  {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", unknown ? vocabulary.tokens()[*unknown] : "<unk>"},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", true},
                   {"byte_fallback", true},
                   {"ignore_merges", false},
                   {"vocab", vocabulary.ids()},
                   {"merges", merges != nullptr ? written_merges(vocabulary) : implied_merges(vocabulary, ranks)}});
}

}  // namespace

GgufTokenizer gguf_tokenizer(const GgufFile& file, const std::string& family) {
  GgufTokenizer result;
  const std::string model = file.text("tokenizer.ggml.model").value_or("");
  if (model.empty()) {
    result.gap = "it has no vocabulary";
    return result;
  }
  GgufVocabulary vocabulary(file);
  for (const auto& [role, token] : {std::pair("mask", &result.mask_token), std::pair("eos", &result.eos_token)}) {
    if (const auto id = vocabulary.id_of(role)) {
      *token = vocabulary.tokens()[*id];
    }
  }
  if (model == "bert") {
    result.json = wordpiece(vocabulary, family).dump();
  } else if (model == "gpt2") {
    const std::string pre = file.text("tokenizer.ggml.pre").value_or("default");
    const auto* const known = std::ranges::find(kPreTokenizers, pre, &PreTokenizer::name);
    if (known == kPreTokenizers.end()) {
      result.gap = fmt::format("how its 'tokenizer.ggml.pre' '{}' splits words is not known here", printable(pre, 40));
    } else {
      result.json = byte_level(vocabulary, *known, family).dump();
    }
  } else if (model == "t5") {
    result.json = unigram(vocabulary, family).dump();
  } else if (model == "llama") {
    result.json = sentencepiece(vocabulary, family).dump();
  } else {
    result.gap = fmt::format("its kind '{}' is not known here", printable(model, 40));
  }
  return result;
}

}  // namespace mlxe
