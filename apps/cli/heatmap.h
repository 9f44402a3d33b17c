// Similarity matrices as pictures: one drawing, two kinds of canvas.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe::cli {

struct Color {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
};

enum class Anchor { kLeft, kMiddle, kRight };

/// Something to draw on; coordinates are pixels from the top left corner.
class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void rectangle(int x, int y, int width, int height, Color color) = 0;
  /// One line of text, centred vertically on `y`.
  virtual void text(int x, int y, std::string_view text, Anchor anchor, Color color) = 0;
  /// The whole file.
  [[nodiscard]] virtual std::string encode() = 0;
};

[[nodiscard]] std::unique_ptr<Canvas> make_svg_canvas(int width, int height);
[[nodiscard]] std::unique_ptr<Canvas> make_png_canvas(int width, int height);

inline constexpr int kCharacterWidth = 12;  ///< of a canvas's one font, in pixels
inline constexpr int kCharacterHeight = 14;

enum class PictureFormat { kSvg, kPng };

/// By the ending of the path.
/// \throws Error{kInvalidInput} for an ending that is neither .svg nor .png
[[nodiscard]] PictureFormat picture_format(const std::string& path);

/// Dark blue for `position` 0 over green to yellow for 1; the lightness rises evenly, so it reads in grey too.
[[nodiscard]] Color scale_color(double position);

/// The picture of a square matrix of cosines: a labelled row and column per text, the number in each cell while it
/// fits, dark or light by the cell's colour, and a bar that explains the colours.
/// \param cosines  [texts.size(), texts.size()], row-major
[[nodiscard]] std::string heatmap(PictureFormat format, std::span<const std::string> texts,
                                  std::span<const float> cosines);

}  // namespace mlxe::cli
