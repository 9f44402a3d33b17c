// Addresses of the web: whose they are, where a redirect may lead, and escapes.
#pragma once

#include <string>
#include <string_view>

namespace mlxe {

/// "https://host:443" of an address: what decides who may see a token. Empty for anything but http and https, and for
/// an address with a user name in it.
[[nodiscard]] std::string origin_of(std::string_view url);

/// Why a redirect is not followed: it leads from https to http, or to no web address. Empty: it is.
[[nodiscard]] std::string refusal_of_redirect(std::string_view from, std::string_view to);

/// Percent-escapes what has a meaning in an address; a slash only if `keep_slash` is false.
[[nodiscard]] std::string escape_url(std::string_view text, bool keep_slash);

}  // namespace mlxe
