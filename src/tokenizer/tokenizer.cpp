// Tokenizer over the C ABI of the tokenizers crate: turns its statuses into Error and its arrays into Encoding.
#include "tokenizer/tokenizer.h"

#include <mlxe_tok.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include <fmt/format.h>

#include "base/files.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

// The largest published tokenizer.json is about 35 MB.
constexpr std::size_t kMaxFileBytes = 256U << 20U;

struct FreeTokenizer {
  void operator()(mlxe_tok* tokenizer) const { mlxe_tok_free(tokenizer); }
};
using TokenizerHandle = std::unique_ptr<mlxe_tok, FreeTokenizer>;

// Memory of the library, given back when it goes out of scope.
class OwnedBytes {
 public:
  explicit OwnedBytes(mlxe_tok_bytes bytes) : bytes_(bytes) {}
  ~OwnedBytes() { mlxe_tok_free_bytes(bytes_); }
  OwnedBytes(const OwnedBytes&) = delete;
  OwnedBytes& operator=(const OwnedBytes&) = delete;
  [[nodiscard]] std::string to_string() const { return {bytes_.data, bytes_.size}; }

 private:
  mlxe_tok_bytes bytes_;
};

class OwnedInts {
 public:
  explicit OwnedInts(mlxe_tok_ints ints) : ints_(ints) {}
  ~OwnedInts() { mlxe_tok_free_ints(ints_); }
  OwnedInts(const OwnedInts&) = delete;
  OwnedInts& operator=(const OwnedInts&) = delete;
  [[nodiscard]] std::span<const std::int32_t> view() const { return {ints_.data, ints_.size}; }

 private:
  mlxe_tok_ints ints_;
};

void check(mlxe_tok_status status, const std::string& file) {
  const OwnedBytes message(status.message);
  if (status.code == MLXE_TOK_OK) {
    return;
  }
  if (status.code == MLXE_TOK_BAD_INPUT) {
    throw Error(ErrorCode::kInvalidInput, message.to_string());
  }
  throw Error(ErrorCode::kCorruptModel, fmt::format("tokenizer '{}': {}", file, message.to_string()));
}

std::string read_tokenizer_file(const std::filesystem::path& path) {
  try {
    return read_file(path, kMaxFileBytes);
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("cannot load the tokenizer: {}", error.what()));
  }
}

// Takes `count` numbers off the front of the array that mlxe_tok_encode gave.
std::span<const std::int32_t> take(std::span<const std::int32_t>& rest, std::size_t count) {
  const std::span<const std::int32_t> taken = rest.first(count);
  rest = rest.subspan(count);
  return taken;
}

std::uint8_t code_of(PairTruncation truncation) {
  switch (truncation) {
    case PairTruncation::kOnlyFirst: return MLXE_TOK_ONLY_FIRST;
    case PairTruncation::kOnlySecond: return MLXE_TOK_ONLY_SECOND;
    case PairTruncation::kLongestFirst: break;
  }
  return MLXE_TOK_LONGEST_FIRST;
}

// The library's options; max_length is what prefix and suffix leave.
mlxe_tok_options checked_options(const EncodeOptions& options, const mlxe_tok_facts& facts, Sequences sequences) {
  if (options.max_length < 0) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("max_length is {}, wanted 0 or more", options.max_length));
  }
  if (options.threads < 1) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("threads is {}, wanted 1 or more", options.threads));
  }
  for (const std::vector<std::int32_t>* ids : {&options.prefix_ids, &options.suffix_ids}) {
    for (const std::int32_t id : *ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= facts.vocab_size) {
        throw Error(
            ErrorCode::kInvalidInput,
            fmt::format("token id {} of a prefix or suffix is not in the vocabulary of {}", id, facts.vocab_size));
      }
    }
  }
  const std::size_t fixed = options.prefix_ids.size() + options.suffix_ids.size();
  const std::size_t special = !options.add_special_tokens     ? 0
                              : sequences == Sequences::kPair ? facts.num_special_tokens_of_pair
                                                              : facts.num_special_tokens;
  const auto max_length = static_cast<std::size_t>(options.max_length);
  if (max_length > 0 && max_length < fixed + special) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("max_length is {}, the special tokens{} alone are {}", max_length,
                                                      fixed > 0 ? ", prefix and suffix" : "", fixed + special));
  }
  return {.max_length = max_length > 0 ? max_length - fixed : std::numeric_limits<std::size_t>::max(),
          .num_threads = static_cast<std::size_t>(options.threads),
          .strategy = code_of(options.pair_truncation),
          .keep_last = options.kept_end == KeptEnd::kLast,
          .add_special_tokens = options.add_special_tokens,
          .with_offsets = options.with_offsets,
          .with_special_mask = options.with_special_tokens_mask,
          .with_word_ids = options.with_word_ids};
}

// `middle` with `num_before` and `num_after` times `fill` around it.
std::vector<std::int32_t> surrounded(std::span<const std::int32_t> middle, std::int32_t fill, std::size_t num_before,
                                     std::size_t num_after) {
  std::vector<std::int32_t> all(num_before + middle.size() + num_after, fill);
  std::ranges::copy(middle, all.begin() + static_cast<std::ptrdiff_t>(num_before));
  return all;
}

// Reads the array that mlxe_tok_encode gave, and puts prefix and suffix around each text's tokens.
std::vector<Encoding> unpacked(std::span<const std::int32_t> rest, std::size_t num_texts,
                               const EncodeOptions& options) {
  const std::span<const std::int32_t> lengths = take(rest, num_texts);
  const std::span<const std::int32_t> lengths_in_text = take(rest, num_texts);
  std::size_t total = 0;
  for (const std::int32_t length : lengths) {
    total += static_cast<std::size_t>(length);
  }
  std::span<const std::int32_t> ids = take(rest, total);
  std::span<const std::int32_t> type_ids = take(rest, total);
  std::span<const std::int32_t> offsets = take(rest, options.with_offsets ? 2 * total : 0);
  std::span<const std::int32_t> special_mask = take(rest, options.with_special_tokens_mask ? total : 0);
  std::span<const std::int32_t> word_ids = take(rest, options.with_word_ids ? total : 0);
  const std::size_t before = options.prefix_ids.size();
  const std::size_t after = options.suffix_ids.size();
  std::vector<Encoding> encodings(num_texts);
  for (std::size_t index = 0; index < num_texts; ++index) {
    Encoding& encoding = encodings[index];
    const auto length = static_cast<std::size_t>(lengths[index]);
    encoding.length_in_text = lengths_in_text[index] + static_cast<int>(before + after);
    encoding.ids = surrounded(take(ids, length), 0, before, after);
    std::ranges::copy(options.prefix_ids, encoding.ids.begin());
    std::ranges::copy(options.suffix_ids, encoding.ids.end() - static_cast<std::ptrdiff_t>(after));
    encoding.type_ids = surrounded(take(type_ids, length), 0, before, after);
    if (options.with_offsets) {
      encoding.offsets.resize(before + length + after);
      for (std::size_t token = 0; token < length; ++token) {
        const std::span<const std::int32_t> ends = take(offsets, 2);
        encoding.offsets[before + token] = {ends[0], ends[1]};
      }
    }
    if (options.with_special_tokens_mask) {
      encoding.special_tokens_mask = surrounded(take(special_mask, length), 1, before, after);
    }
    if (options.with_word_ids) {
      encoding.word_ids = surrounded(take(word_ids, length), kNoWord, before, after);
    }
  }
  return encodings;
}

}  // namespace

struct Tokenizer::Impl {
  std::string file;  // for messages
  TokenizerHandle handle;
  mlxe_tok_facts facts{};
  bool adds_special_tokens = true;

  // seconds: null, or the second text of each pair.
  [[nodiscard]] std::vector<Encoding> encode(std::span<const mlxe_tok_text> texts, const mlxe_tok_text* seconds,
                                             const EncodeOptions& options) const {
    mlxe_tok_options tok_options =
        checked_options(options, facts, seconds != nullptr ? Sequences::kPair : Sequences::kOne);
    tok_options.add_special_tokens = options.add_special_tokens && adds_special_tokens;
    mlxe_tok_ints ints{};
    check(mlxe_tok_encode(handle.get(), texts.data(), seconds, texts.size(), tok_options, &ints), file);
    const OwnedInts owned(ints);
    return unpacked(owned.view(), texts.size(), options);
  }
};

Tokenizer::Tokenizer(const std::filesystem::path& tokenizer_json, Casing casing, SpecialTokens special_tokens)
    : Tokenizer(TokenizerJson{read_tokenizer_file(tokenizer_json), tokenizer_json.string()}, casing, special_tokens) {}

Tokenizer::Tokenizer(const TokenizerJson& json, Casing casing, SpecialTokens special_tokens)
    : impl_(std::make_unique<Impl>()) {
  impl_->file = json.name;
  mlxe_tok* loaded = nullptr;
  check(mlxe_tok_load(json.text.data(), json.text.size(), casing == Casing::kLower, &loaded), impl_->file);
  impl_->handle.reset(loaded);
  check(mlxe_tok_get_facts(loaded, &impl_->facts), impl_->file);
  if (special_tokens == SpecialTokens::kNone) {
    impl_->adds_special_tokens = false;
    impl_->facts.num_special_tokens = impl_->facts.num_special_tokens_of_pair = 0;
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<Encoding> Tokenizer::encode(std::span<const std::string_view> texts, const EncodeOptions& options) const {
  std::vector<mlxe_tok_text> views;
  views.reserve(texts.size());
  for (const std::string_view text : texts) {
    views.push_back({text.data(), text.size()});
  }
  return impl_->encode(views, nullptr, options);
}

bool Tokenizer::takes_fast_path(std::string_view text) const {
  std::uint8_t takes = 0;
  check(mlxe_tok_takes_fast_path(impl_->handle.get(), {text.data(), text.size()}, &takes), impl_->file);
  return takes != 0;
}

std::vector<Encoding> Tokenizer::encode_pairs(std::span<const std::pair<std::string_view, std::string_view>> pairs,
                                              const EncodeOptions& options) const {
  std::vector<mlxe_tok_text> firsts;
  std::vector<mlxe_tok_text> seconds;
  firsts.reserve(pairs.size());
  seconds.reserve(pairs.size() + 1);  // never null: that these are pairs is told by the address
  for (const auto& [first, second] : pairs) {
    firsts.push_back({first.data(), first.size()});
    seconds.push_back({second.data(), second.size()});
  }
  return impl_->encode(firsts, seconds.data(), options);
}

std::size_t Tokenizer::vocab_size() const {
  return impl_->facts.vocab_size;
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  std::int32_t id = -1;
  check(mlxe_tok_token_to_id(impl_->handle.get(), {token.data(), token.size()}, &id), impl_->file);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::optional<std::string> Tokenizer::id_to_token(std::int32_t id) const {
  mlxe_tok_found_token found{};
  check(mlxe_tok_id_to_token(impl_->handle.get(), id, &found), impl_->file);
  const OwnedBytes token(found.token);
  return found.found != 0 ? std::optional(token.to_string()) : std::nullopt;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  mlxe_tok_bytes bytes{};
  check(mlxe_tok_decode(impl_->handle.get(), ids.data(), ids.size(), skip_special_tokens, &bytes), impl_->file);
  return OwnedBytes(bytes).to_string();
}

int Tokenizer::num_special_tokens(Sequences sequences) const {
  return static_cast<int>(sequences == Sequences::kPair ? impl_->facts.num_special_tokens_of_pair
                                                        : impl_->facts.num_special_tokens);
}

std::vector<std::int32_t> Tokenizer::special_ids() const {
  mlxe_tok_ints ints{};
  check(mlxe_tok_special_ids(impl_->handle.get(), &ints), impl_->file);
  const OwnedInts owned(ints);
  return {owned.view().begin(), owned.view().end()};
}

}  // namespace mlxe
