// The fingerprint of a set of vectors: SHA-256 fed piece by piece, so that memory stays flat.
#pragma once

#include <memory>
#include <span>
#include <string>

namespace mlxe::cli {

/// First 16 hexadecimal digits of SHA-256 over the values as little-endian float32 in row order; equal vectors,
/// equal fingerprint, whatever window they came in.
class Fingerprint {
 public:
  Fingerprint();
  ~Fingerprint();
  Fingerprint(const Fingerprint&) = delete;
  Fingerprint& operator=(const Fingerprint&) = delete;

  void add(std::span<const float> values);
  /// Ends the hash; nothing can be added afterwards.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mlxe::cli
