// Source of names and order: huggingface_hub 2.4, constants.py and utils/_auth.py.
#include "hub/hub_environment.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>

#include "base/files.h"
#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

bool is_true(const char* name) {
  std::string value = variable(name).value_or("");
  std::ranges::transform(value, value.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

// "~" and "~/x"; the shell has done it already where the value was not quoted.
fs::path expand_home(const std::string& path) {
  const auto home = variable("HOME");
  if (home && (path == "~" || path.starts_with("~/"))) {
    return fs::path(*home) / fs::path(path.substr(std::min<std::size_t>(path.size(), 2)));
  }
  return path;
}

std::optional<fs::path> home_folder() {
  if (const auto home = variable("HF_HOME")) {
    return expand_home(*home);
  }
  if (const auto cache = variable("XDG_CACHE_HOME")) {
    return expand_home(*cache) / "huggingface";
  }
  if (const auto home = variable("HOME")) {
    return fs::path(*home) / ".cache" / "huggingface";
  }
  return std::nullopt;
}

std::chrono::milliseconds milliseconds(const char* name, int fallback, int unit) {
  const std::string text = variable(name).value_or("");
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool usable = error == std::errc() && end == text.data() + text.size() && value > 0 && value <= 1'000'000;
  return std::chrono::milliseconds(usable ? value * unit : fallback);
}

std::string trimmed(std::string text) {
  constexpr const char* kBlank = " \t\r\n";
  text.erase(0, std::min(text.find_first_not_of(kBlank), text.size()));
  text.erase(text.find_last_not_of(kBlank) + 1);
  return text;
}

std::optional<std::string> checked_token(std::string token, std::string_view source) {
  token = trimmed(std::move(token));
  // It becomes part of a header line.
  if (!std::ranges::all_of(token, [](char c) { return c > ' ' && c < 127; })) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("the token of {} holds a blank or a control character, wanted one word like hf_...", source));
  }
  return token.empty() ? std::nullopt : std::optional(std::move(token));
}

std::optional<std::string> read_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (const auto token = variable(name)) {
      return checked_token(*token, name);
    }
  }
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
    return std::nullopt;
  }
  std::optional<fs::path> path;
  if (const auto named = variable("HF_TOKEN_PATH")) {
    path = expand_home(*named);
  } else if (const auto home = home_folder()) {
    path = *home / "token";
  }
  std::error_code ignored;
  if (!path || !fs::is_regular_file(*path, ignored)) {
    return std::nullopt;
  }
  constexpr std::size_t kMaxToken = 4096;
  return checked_token(read_file(*path, kMaxToken), path->string());
}

std::string read_endpoint() {
  std::string endpoint = variable("HF_ENDPOINT").value_or("https://huggingface.co");
  while (endpoint.ends_with('/')) {
    endpoint.pop_back();
  }
  const bool plain = std::ranges::all_of(endpoint, [](char c) { return c > ' ' && c < 127; });
  if (!plain || !(endpoint.starts_with("https://") || endpoint.starts_with("http://"))) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("HF_ENDPOINT is '{}', wanted an address that begins with https:// or http://",
                            printable(endpoint, 100)));
  }
  return endpoint;
}

}  // namespace

std::optional<fs::path> hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto cache = variable(name)) {
      return expand_home(*cache);
    }
  }
  const auto home = home_folder();
  return home ? std::optional(*home / "hub") : std::nullopt;
}

HubEnvironment read_hub_environment() {
  constexpr int kTimeoutMs = 10'000;
  constexpr int kFirstPauseMs = 500;
  return {.cache = hub_cache_folder(),
          .endpoint = read_endpoint(),
          .token = read_token(),
          .offline = variable("HF_HUB_OFFLINE") ? is_true("HF_HUB_OFFLINE") : is_true("TRANSFORMERS_OFFLINE"),
          .symlinks = !is_true("HF_HUB_DISABLE_SYMLINKS"),
          .answer_timeout = milliseconds("HF_HUB_ETAG_TIMEOUT", kTimeoutMs, 1000),
          .stall_timeout = milliseconds("HF_HUB_DOWNLOAD_TIMEOUT", kTimeoutMs, 1000),
          .first_pause = milliseconds("MLXE_HUB_RETRY_MS", kFirstPauseMs, 1)};
}

}  // namespace mlxe
