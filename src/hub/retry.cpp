// Retry-After: RFC 9110, 10.2.3. RateLimit: draft-ietf-httpapi-ratelimit-headers, as the hub sends it.
#include "hub/retry.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include <time.h>

namespace mlxe {
namespace {

constexpr int kMaxTries = 5;
constexpr std::chrono::minutes kLongestPause{2};

std::optional<std::chrono::milliseconds> parse_seconds(const char* begin, const char* end) {
  long seconds = 0;
  const auto [stop, error] = std::from_chars(begin, end, seconds);
  constexpr long kYear = 31'536'000;
  if (error != std::errc() || stop == begin || seconds < 0) {
    return std::nullopt;
  }
  return std::chrono::seconds(std::min(seconds, kYear));
}

/// "Sun, 06 Nov 1994 08:49:37 GMT" as seconds since 1970, in every locale.
std::optional<std::int64_t> parse_http_date(const std::string& text) {
  constexpr const char* kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  char month[4] = {};
  std::tm date{};
  if (std::sscanf(text.c_str(), "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &date.tm_mday, month, &date.tm_year, &date.tm_hour,
                  &date.tm_min, &date.tm_sec) != 6) {
    return std::nullopt;
  }
  const std::size_t found = std::string_view(kMonths).find(month);
  if (found == std::string_view::npos || found % 3 != 0) {
    return std::nullopt;
  }
  date.tm_mon = static_cast<int>(found / 3);
  date.tm_year -= 1900;
  return timegm(&date);
}

}  // namespace

bool is_temporary_status(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::optional<std::chrono::milliseconds> wanted_pause(const HttpHead& head) {
  if (const auto text = head.header("retry-after")) {
    if (const auto seconds = parse_seconds(text->data(), text->data() + text->size())) {
      return seconds;
    }
    if (const auto date = parse_http_date(*text)) {
      return std::chrono::seconds(std::max<std::int64_t>(*date - std::time(nullptr), 0));
    }
  }
  if (const auto text = head.header("ratelimit")) {
    if (const std::size_t at = text->find(";t="); at != std::string::npos) {
      return parse_seconds(text->data() + at + 3, text->data() + text->size());
    }
  }
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> Retry::after_failure(std::optional<std::chrono::milliseconds> wanted) {
  ++failures_;
  if (failures_ >= kMaxTries || (wanted && *wanted > kLongestPause)) {
    return std::nullopt;
  }
  const std::chrono::milliseconds own = first_pause_ * (1 << (failures_ - 1));
  return std::max(own, wanted.value_or(std::chrono::milliseconds(0)));
}

}  // namespace mlxe
