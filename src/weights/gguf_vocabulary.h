// The tokens of a GGUF file with what each of them is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "weights/gguf_file.h"

namespace mlxe {

class GgufVocabulary {
 public:
  // The kinds of tokens that differ from ordinary ones.
  static constexpr std::int64_t kUnknown = 2;
  static constexpr std::int64_t kControl = 3;
  static constexpr std::int64_t kUserDefined = 4;
  static constexpr std::int64_t kUnused = 5;

  /// \param file  must outlive the object
  /// \throws Error{kCorruptModel} for a vocabulary that contradicts itself
  explicit GgufVocabulary(const GgufFile& file);

  [[noreturn]] void fail(std::string_view text) const;

  /// \param role  "bos", "cls", ...
  [[nodiscard]] std::optional<std::size_t> id_of(const std::string& role) const;
  [[nodiscard]] std::optional<std::size_t> first_of(std::initializer_list<const char*> roles) const;

  [[nodiscard]] std::vector<std::string>& tokens() { return tokens_; }
  [[nodiscard]] const std::vector<std::string>& tokens() const { return tokens_; }
  [[nodiscard]] std::int64_t kind(std::size_t id) const { return kinds_[id]; }
  void set_kind(std::size_t id, std::int64_t kind) { kinds_[id] = kind; }
  [[nodiscard]] const GgufFile& file() const { return file_; }

  /// Tokens that are found in a text as they are; in the form of tokenizer.json.
  [[nodiscard]] Json added_tokens(bool mask_takes_space) const;
  /// "token": id, without those that only fill gaps.
  [[nodiscard]] Json ids() const;

 private:
  const GgufFile& file_;
  std::vector<std::string> tokens_;
  std::vector<std::int64_t> kinds_;
  std::set<std::size_t> named_;  // by a key of the metadata
};

}  // namespace mlxe
