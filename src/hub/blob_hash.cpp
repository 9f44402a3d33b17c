// SHA-256 and SHA-1 by OpenSSL, which uses the CPU's own instructions.
#include "hub/blob_hash.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <vector>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kGitDigits = 40;

void check(int result) {
  if (result != 1) {
    throw Error(ErrorCode::kInternal, "OpenSSL cannot compute a hash");
  }
}

}  // namespace

struct BlobHash::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() = default;
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

BlobHash::BlobHash(std::string_view like, std::uint64_t size) : context_(std::make_unique<Context>()) {
  const bool git = like.size() == kGitDigits;
  check(EVP_DigestInit_ex(context_->md, git ? EVP_sha1() : EVP_sha256(), nullptr));
  if (git) {
    const std::string head = fmt::format("blob {}", size);
    add(head.c_str(), head.size() + 1);  // with the NUL at its end
  }
}

BlobHash::~BlobHash() = default;
BlobHash::BlobHash(BlobHash&&) noexcept = default;
BlobHash& BlobHash::operator=(BlobHash&&) noexcept = default;

void BlobHash::add(const void* bytes, std::size_t count) {
  check(EVP_DigestUpdate(context_->md, bytes, count));
}

std::string BlobHash::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  check(EVP_DigestFinal_ex(context_->md, digest.data(), &length));
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  }
  return hex;
}

std::string hash_file(const std::filesystem::path& path, std::string_view like, std::uint64_t size,
                      const std::function<void(std::size_t)>& on_bytes) {
  std::ifstream stream(path, std::ios::binary);
  BlobHash hash(like, size);
  std::vector<char> bytes(std::size_t{1} << 20U);
  while (stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || stream.gcount() > 0) {
    const auto count = static_cast<std::size_t>(stream.gcount());
    hash.add(bytes.data(), count);
    on_bytes(count);
  }
  if (!stream.eof()) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}", path.string()));
  }
  return hash.finish();
}

bool is_blob_hash(std::string_view name) {
  return (name.size() == kGitDigits || name.size() == kSha256Digits) &&
         std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace mlxe
