// Tokenizer: text to token ids by a checkpoint's tokenizer.json, exactly as Hugging Face `tokenizers` does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlxe {

struct Encoding {
  std::vector<std::int32_t> ids;       ///< special tokens included
  std::vector<std::int32_t> type_ids;  ///< 0 or 1 per token
  int length_in_text = 0;              ///< tokens that the text has without truncation, special ones included
  /// Begin and end of each token in the text, in bytes; filled only when asked for.
  std::vector<std::pair<std::int32_t, std::int32_t>> offsets;
};

struct EncodeOptions {
  int max_length = 0;  ///< tokens with special ones; 0: no limit. The special tokens always survive
  bool add_special_tokens = true;
  bool with_offsets = false;
  int threads = 1;  ///< a batch is split over this many
};

enum class Casing {
  kAsFile,  ///< as tokenizer.json says
  kLower,   ///< texts are lower-cased first (`do_lower_case` of sentence-transformers); special tokens are not
};

/// Immutable after construction; encode() may be called from many threads.
class Tokenizer {
 public:
  /// The truncation and padding sections of the file are ignored: they describe somebody's last use of it.
  /// \throws Error{kCorruptModel} for a file that is missing, malformed or refused by the library (never aborts)
  explicit Tokenizer(const std::filesystem::path& tokenizer_json, Casing casing = Casing::kAsFile);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// \throws Error{kInvalidInput} naming the index of a text that is no UTF-8
  [[nodiscard]] std::vector<Encoding> encode(std::span<const std::string_view> texts,
                                             const EncodeOptions& options = {}) const;
  [[nodiscard]] std::size_t vocab_size() const;  ///< added tokens included; one more than the largest id
  [[nodiscard]] std::optional<std::int32_t> token_to_id(std::string_view token) const;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  [[nodiscard]] int num_special_tokens() const;                 ///< added around one text
  [[nodiscard]] std::vector<std::int32_t> special_ids() const;  ///< ids of all special added tokens

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mlxe
