// SHA-256 by OpenSSL, which uses the CPU's own instructions for it.
#include "base/hash.h"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "mlxe/error.h"

namespace mlxe {

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorCode::kInternal, fmt::format("OpenSSL cannot compute the SHA-256 of {} bytes", bytes.size()));
  }
  std::string hex;
  hex.reserve(std::size_t{2} * length);
  for (unsigned int i = 0; i < length; ++i) {
    fmt::format_to(std::back_inserter(hex), "{:02x}", digest[i]);
  }
  return hex;
}

}  // namespace mlxe
