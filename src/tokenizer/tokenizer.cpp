// Tokenizer over the C ABI of the tokenizers crate: turns its statuses into Error and its arrays into Encoding.
#include "tokenizer/tokenizer.h"

#include <mlxe_tok.h>

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

}  // namespace

struct Tokenizer::Impl {
  std::string file;  // for messages
  TokenizerHandle handle;
  mlxe_tok_facts facts{};
};

Tokenizer::Tokenizer(const std::filesystem::path& tokenizer_json, Casing casing) : impl_(std::make_unique<Impl>()) {
  impl_->file = tokenizer_json.string();
  const std::string json = read_tokenizer_file(tokenizer_json);
  mlxe_tok* loaded = nullptr;
  check(mlxe_tok_load(json.data(), json.size(), casing == Casing::kLower, &loaded), impl_->file);
  impl_->handle.reset(loaded);
  check(mlxe_tok_get_facts(loaded, &impl_->facts), impl_->file);
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<Encoding> Tokenizer::encode(std::span<const std::string_view> texts, const EncodeOptions& options) const {
  if (options.max_length < 0) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("max_length is {}, wanted 0 or more", options.max_length));
  }
  if (options.threads < 1) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("threads is {}, wanted 1 or more", options.threads));
  }
  std::vector<mlxe_tok_text> views;
  views.reserve(texts.size());
  for (const std::string_view text : texts) {
    views.push_back({text.data(), text.size()});
  }
  const mlxe_tok_options tok_options = {.max_length = static_cast<std::size_t>(options.max_length),
                                        .num_threads = static_cast<std::size_t>(options.threads),
                                        .add_special_tokens = options.add_special_tokens,
                                        .with_offsets = options.with_offsets};
  mlxe_tok_ints ints{};
  check(mlxe_tok_encode(impl_->handle.get(), views.data(), views.size(), tok_options, &ints), impl_->file);
  const OwnedInts owned(ints);

  std::span<const std::int32_t> rest = owned.view();
  const std::span<const std::int32_t> lengths = take(rest, texts.size());
  const std::span<const std::int32_t> lengths_in_text = take(rest, texts.size());
  std::size_t total = 0;
  for (const std::int32_t length : lengths) {
    total += static_cast<std::size_t>(length);
  }
  std::span<const std::int32_t> ids = take(rest, total);
  std::span<const std::int32_t> type_ids = take(rest, total);
  std::vector<Encoding> encodings(texts.size());
  for (std::size_t index = 0; index < encodings.size(); ++index) {
    Encoding& encoding = encodings[index];
    const auto length = static_cast<std::size_t>(lengths[index]);
    const std::span<const std::int32_t> own_ids = take(ids, length);
    const std::span<const std::int32_t> own_type_ids = take(type_ids, length);
    encoding.ids.assign(own_ids.begin(), own_ids.end());
    encoding.type_ids.assign(own_type_ids.begin(), own_type_ids.end());
    encoding.length_in_text = lengths_in_text[index];
    if (options.with_offsets) {
      encoding.offsets.reserve(length);
      for (std::size_t token = 0; token < length; ++token) {
        const std::span<const std::int32_t> pair = take(rest, 2);
        encoding.offsets.emplace_back(pair[0], pair[1]);
      }
    }
  }
  return encodings;
}

std::size_t Tokenizer::vocab_size() const {
  return impl_->facts.vocab_size;
}

std::optional<std::int32_t> Tokenizer::token_to_id(std::string_view token) const {
  std::int32_t id = -1;
  check(mlxe_tok_token_to_id(impl_->handle.get(), {token.data(), token.size()}, &id), impl_->file);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  mlxe_tok_bytes bytes{};
  check(mlxe_tok_decode(impl_->handle.get(), ids.data(), ids.size(), skip_special_tokens, &bytes), impl_->file);
  return OwnedBytes(bytes).to_string();
}

int Tokenizer::num_special_tokens() const {
  return static_cast<int>(impl_->facts.num_special_tokens);
}

std::vector<std::int32_t> Tokenizer::special_ids() const {
  mlxe_tok_ints ints{};
  check(mlxe_tok_special_ids(impl_->handle.get(), &ints), impl_->file);
  const OwnedInts owned(ints);
  return {owned.view().begin(), owned.view().end()};
}

}  // namespace mlxe
