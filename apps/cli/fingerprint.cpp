// OpenSSL's incremental SHA-256 over the bytes of float rows.
#include "fingerprint.h"

#include <array>
#include <bit>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "mlxe/error.h"

namespace mlxe::cli {

static_assert(std::endian::native == std::endian::little, "vectors are hashed and written as they lie in memory");

struct Fingerprint::State {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

namespace {

void check(bool ok) {
  if (!ok) {
    throw Error(ErrorCode::kInternal, "SHA-256 is not available in this OpenSSL");
  }
}

}  // namespace

Fingerprint::Fingerprint() : state_(std::make_unique<State>()) {
  check(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1);
}

Fingerprint::~Fingerprint() = default;

void Fingerprint::add(std::span<const float> values) {
  check(EVP_DigestUpdate(state_->context.get(), values.data(), values.size_bytes()) == 1);
}

std::string Fingerprint::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  check(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr) == 1);
  std::string hex;
  for (std::size_t i = 0; i < 8; ++i) {
    hex += fmt::format("{:02x}", digest[i]);
  }
  return hex;
}

}  // namespace mlxe::cli
