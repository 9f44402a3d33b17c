// UTF-8 validation, small letters, and showing text that may be hostile.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mlxe {

/// True for well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool is_valid_utf8(std::string_view text);

/// Small letters for A to Z, whatever the locale; all else as it is.
[[nodiscard]] std::string ascii_lower(std::string_view text);

/// At most `max_bytes` of a text from a stranger, fit for one line of a message: "..." where it was cut, '?' for
/// control characters, and for everything beyond ASCII if it is no UTF-8.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_bytes);

}  // namespace mlxe
