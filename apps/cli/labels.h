// Texts as short labels for a terminal or a picture.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mlxe::cli {

/// Columns that a terminal gives to the text: 2 for East Asian wide characters and emoji, 0 for combining marks.
/// \param text  UTF-8
[[nodiscard]] std::size_t display_columns(std::string_view text);

/// The text on one line of at most `columns` columns: runs of white space and control characters become one space
/// (an escape sequence in a text must not reach the terminal), and a cut is marked with an ellipsis.
[[nodiscard]] std::string label(std::string_view text, std::size_t columns);

/// The first code point of a non-empty UTF-8 text; moves `text` past it.
[[nodiscard]] char32_t take_code_point(std::string_view& text);

}  // namespace mlxe::cli
