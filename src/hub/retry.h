// When to try again: pauses that grow, and what a server says about them.
#pragma once

#include <chrono>
#include <optional>

#include "hub/http_client.h"

namespace mlxe {

/// True for answers that may be another one soon: 408, 429, 500, 502, 503, 504.
[[nodiscard]] bool is_temporary_status(int status);

/// What Retry-After (seconds or a date) or the draft header RateLimit ("t=seconds") asks for.
[[nodiscard]] std::optional<std::chrono::milliseconds> wanted_pause(const HttpHead& head);

/// Counts failures in a row.
class Retry {
 public:
  explicit Retry(std::chrono::milliseconds first_pause) : first_pause_(first_pause) {}

  /// The pause before the next try; nothing when it was the last one or the server asks for more than two minutes.
  [[nodiscard]] std::optional<std::chrono::milliseconds> after_failure(
      std::optional<std::chrono::milliseconds> wanted = {});
  void reset() { failures_ = 0; }  ///< after something was gained
  [[nodiscard]] int failures() const { return failures_; }

 private:
  std::chrono::milliseconds first_pause_;
  int failures_ = 0;
};

}  // namespace mlxe
