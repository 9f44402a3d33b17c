// A font of 5 x 7 pixels for ASCII, for pictures made without a font library.
#pragma once

#include <array>
#include <cstdint>

namespace mlxe::cli {

inline constexpr int kGlyphWidth = 5;
inline constexpr int kGlyphHeight = 7;

/// One byte per row from the top; bit 4 is the leftmost pixel.
using BitmapGlyph = std::array<std::uint8_t, kGlyphHeight>;

/// The glyph of an ASCII character or of the ellipsis; a hollow box for any other.
[[nodiscard]] const BitmapGlyph& bitmap_glyph(char32_t point);

}  // namespace mlxe::cli
