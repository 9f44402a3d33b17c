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

using TokenOffsets = std::pair<std::int32_t, std::int32_t>;  ///< begin and end

struct Encoding {
  std::vector<std::int32_t> ids;       ///< special tokens included
  std::vector<std::int32_t> type_ids;  ///< per token, as the file says; 0 for a text, often 1 for the second of a pair
  int length_in_text = 0;              ///< tokens that it has without truncation, special ones included

  // Filled only when asked for, one for each token.
  std::vector<TokenOffsets> offsets;              ///< in bytes of the token's own text; special tokens: 0, 0
  std::vector<std::int32_t> special_tokens_mask;  ///< 1: put around the text; 0: of the text, [SEP] typed by hand too
  std::vector<std::int32_t> word_ids;             ///< words of each text counted from 0; special tokens: kNoWord
};

inline constexpr std::int32_t kNoWord = -1;

enum class KeptEnd {
  kFirst,  ///< a text that is too long loses its last tokens
  kLast,   ///< ... its first ones (`truncation_side: left`)
};

/// Which text of a pair is cut.
enum class PairTruncation {
  kLongestFirst,  ///< the longer one, down to the other's length, then both
  kOnlyFirst,     ///< an error where the second text alone leaves no room for a token of the first
  kOnlySecond,    ///< likewise, the other way round
};

struct EncodeOptions {
  int max_length = 0;  ///< tokens with special ones; 0: no limit. The special tokens always survive
  bool add_special_tokens = true;
  KeptEnd kept_end = KeptEnd::kFirst;
  PairTruncation pair_truncation = PairTruncation::kLongestFirst;
  /// Tokens put before and behind all that tokenizer.json adds: the fixed ends of a prompt. They count in max_length,
  /// are never cut, and are special tokens of type 0 in the result.
  std::vector<std::int32_t> prefix_ids = {};
  std::vector<std::int32_t> suffix_ids = {};
  bool with_offsets = false;
  bool with_special_tokens_mask = false;
  bool with_word_ids = false;
  int threads = 1;  ///< a batch is split over this many
};

enum class Casing {
  kAsFile,  ///< as tokenizer.json says
  kLower,   ///< texts are lower-cased first (`do_lower_case` of sentence-transformers); special tokens are not
};

enum class SpecialTokens {
  kAsFile,  ///< put around texts as tokenizer.json says
  kNone,    ///< never, whatever EncodeOptions say (static embeddings)
};

enum class Sequences { kOne, kPair };

/// What a tokenizer.json holds, where it does not come from such a file.
struct TokenizerJson {
  std::string text;
  std::string name;  ///< of where it comes from, for messages
};

/// Immutable after construction; encode() may be called from many threads.
class Tokenizer {
 public:
  /// The truncation and padding sections of the file are ignored: they describe somebody's last use of it.
  /// \throws Error{kCorruptModel} for a file that is missing, malformed or refused by the library (never aborts)
  explicit Tokenizer(const std::filesystem::path& tokenizer_json, Casing casing = Casing::kAsFile,
                     SpecialTokens special_tokens = SpecialTokens::kAsFile);
  /// \throws Error{kCorruptModel} as above
  explicit Tokenizer(const TokenizerJson& json, Casing casing = Casing::kAsFile,
                     SpecialTokens special_tokens = SpecialTokens::kAsFile);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// \throws Error{kInvalidInput} naming the index of a text that is no UTF-8, or for a limit below the special tokens
  [[nodiscard]] std::vector<Encoding> encode(std::span<const std::string_view> texts,
                                             const EncodeOptions& options = {}) const;
  /// Whether encode() takes this text past the library, through our own WordPiece: a plain ASCII text of a BERT-like
  /// tokenizer, in which no added token stands. Asking for offsets or words, which only the library knows, is the slow
  /// way for any text. The ids do not depend on the way.
  [[nodiscard]] bool takes_fast_path(std::string_view text) const;
  /// Two texts as one sequence, put together and cut as `tokenizers` does.
  /// \throws as encode(), and Error{kInvalidInput} naming a pair that options.pair_truncation cannot cut enough
  [[nodiscard]] std::vector<Encoding> encode_pairs(std::span<const std::pair<std::string_view, std::string_view>> pairs,
                                                   const EncodeOptions& options = {}) const;
  [[nodiscard]] std::size_t vocab_size() const;  ///< added tokens included; one more than the largest id
  [[nodiscard]] std::optional<std::int32_t> token_to_id(std::string_view token) const;
  /// The token as the vocabulary spells it ("##ing", "\u0120the"); decode() gives text.
  [[nodiscard]] std::optional<std::string> id_to_token(std::int32_t id) const;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  /// Added around one text, or around and between the two of a pair.
  [[nodiscard]] int num_special_tokens(Sequences sequences = Sequences::kOne) const;
  [[nodiscard]] std::vector<std::int32_t> special_ids() const;  ///< ids of all special added tokens

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The bytes of all characters that a token has some bytes of; a token without bytes stays without.
[[nodiscard]] TokenOffsets whole_characters(std::string_view text, TokenOffsets offsets_in_bytes);

/// Offsets in characters (Unicode code points, as Python counts) of a valid UTF-8 text, from offsets in bytes. A token
/// that has some bytes of a character gets the whole character.
/// \throws Error{kInvalidInput} for an offset beyond the text
[[nodiscard]] std::vector<TokenOffsets> offsets_in_characters(std::string_view text,
                                                              std::span<const TokenOffsets> offsets_in_bytes);

}  // namespace mlxe
