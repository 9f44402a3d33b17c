// The rules of RFC 3986 as far as the hub needs them.
#include "hub/web_address.h"

#include <fmt/format.h>

#include "base/utf8.h"

namespace mlxe {

std::string origin_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  const std::string scheme = colon == std::string_view::npos ? std::string() : ascii_lower(url.substr(0, colon));
  if (scheme != "http" && scheme != "https") {
    return {};
  }
  const std::string_view rest = url.substr(colon + 3);
  std::string authority = ascii_lower(rest.substr(0, rest.find_first_of("/?#\\")));
  if (authority.empty() || authority.find('@') != std::string::npos) {
    return {};
  }
  const std::size_t bracket = authority.find(']');  // of an IPv6 address, whose colons are no port
  if (authority.find(':', bracket == std::string::npos ? 0 : bracket) == std::string::npos) {
    authority += scheme == "https" ? ":443" : ":80";
  }
  return scheme + "://" + authority;
}

std::string refusal_of_redirect(std::string_view from, std::string_view to) {
  const bool is_address = !origin_of(to).empty();
  if (is_address && !(ascii_lower(from).starts_with("https:") && ascii_lower(to).starts_with("http:"))) {
    return {};
  }
  return fmt::format("{} redirects to {}, which is refused: {}", printable(from, 200), printable(to, 200),
                     is_address ? "it is not encrypted" : "it is no web address");
}

std::string escape_url(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~' || (keep_slash && c == '/');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace mlxe
