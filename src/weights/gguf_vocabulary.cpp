// Reading a vocabulary out of the metadata.
#include "weights/gguf_vocabulary.h"

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {

GgufVocabulary::GgufVocabulary(const GgufFile& file) : file_(file) {
  const auto* const tokens = file.texts("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) {
    fail("no 'tokenizer.ggml.tokens' in the metadata");
  }
  tokens_ = *tokens;
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (!is_valid_utf8(tokens_[id])) {
      fail(fmt::format("token {} of 'tokenizer.ggml.tokens' is no UTF-8", id));
    }
  }
  if (const auto* const kinds = file.integers("tokenizer.ggml.token_type")) {
    if (kinds->size() != tokens_.size()) {
      fail(fmt::format("'tokenizer.ggml.token_type' has {} entries for {} tokens", kinds->size(), tokens_.size()));
    }
    kinds_ = *kinds;
  } else {
    kinds_.assign(tokens_.size(), 1);
  }
  for (const char* role : {"bos", "eos", "unknown", "seperator", "padding", "cls", "mask"}) {  // its spelling
    if (const auto id = id_of(role)) {
      kinds_[*id] = kinds_[*id] == kUnknown ? kUnknown : kControl;
      named_.insert(*id);
    }
  }
}

void GgufVocabulary::fail(std::string_view text) const {
  throw Error(ErrorCode::kCorruptModel, fmt::format("{}: {}", file_.path().string(), text));
}

std::optional<std::size_t> GgufVocabulary::id_of(const std::string& role) const {
  const std::string key = fmt::format("tokenizer.ggml.{}_token_id", role);
  const std::optional<std::int64_t> id = file_.integer(key);
  if (!id) {
    return std::nullopt;
  }
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= tokens_.size()) {
    fail(fmt::format("'{}' is {}, the vocabulary has {} tokens", key, *id, tokens_.size()));
  }
  return static_cast<std::size_t>(*id);
}

std::optional<std::size_t> GgufVocabulary::first_of(std::initializer_list<const char*> roles) const {
  for (const char* role : roles) {
    if (const auto id = id_of(role)) {
      return id;
    }
  }
  return std::nullopt;
}

Json GgufVocabulary::added_tokens(bool mask_takes_space) const {
  Json added = Json::array();
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    const bool is_special = kinds_[id] == kControl || (kinds_[id] == kUnknown && named_.contains(id));
    if (is_special || kinds_[id] == kUserDefined) {
      const bool is_mask = tokens_[id] == "<mask>" || tokens_[id] == "[MASK]";
      added.push_back({{"id", id},
                       {"content", tokens_[id]},
                       {"single_word", false},
                       {"lstrip", is_mask && mask_takes_space},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", is_special}});
    }
  }
  return added;
}

Json GgufVocabulary::ids() const {
  Json ids = Json::object();
  for (std::size_t id = 0; id < tokens_.size(); ++id) {
    if (kinds_[id] != kUnused && !ids.emplace(tokens_[id], id).second) {
      fail(fmt::format("token '{}' is in the vocabulary twice", printable(tokens_[id], 60)));
    }
  }
  return ids;
}

}  // namespace mlxe
