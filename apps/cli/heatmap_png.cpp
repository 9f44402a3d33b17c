// A canvas of pixels that libpng encodes.
#include <algorithm>

#include <fmt/format.h>
#include <png.h>

#include "bitmap_font.h"
#include "heatmap.h"
#include "labels.h"
#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

constexpr int kScale = 2;  // pixels of the picture per pixel of the font
static_assert(kCharacterWidth == (kGlyphWidth + 1) * kScale && kCharacterHeight == kGlyphHeight * kScale);

class PngCanvas : public Canvas {
 public:
  PngCanvas(int width, int height)
      : width_(width), height_(height), pixels_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height)) {}

  void rectangle(int x, int y, int width, int height, Color color) override {
    const int left = std::clamp(x, 0, width_);
    const int right = std::clamp(x + width, 0, width_);
    for (int row = std::clamp(y, 0, height_); row < std::clamp(y + height, 0, height_); ++row) {
      Color* line = pixels_.data() + static_cast<std::ptrdiff_t>(row) * width_;
      std::fill(line + left, line + right, color);
    }
  }

  void text(int x, int y, std::string_view text, Anchor anchor, Color color) override {
    const int width = static_cast<int>(display_columns(text)) * kCharacterWidth;
    int left = anchor == Anchor::kLeft ? x : anchor == Anchor::kMiddle ? x - width / 2 : x - width;
    while (!text.empty()) {
      const std::string_view before = text;
      const char32_t point = take_code_point(text);
      const auto columns = static_cast<int>(display_columns(before.substr(0, before.size() - text.size())));
      if (columns > 0) {
        glyph(left, y - kCharacterHeight / 2, bitmap_glyph(point), color);
      }
      left += columns * kCharacterWidth;
    }
  }

  std::string encode() override {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(width_);
    image.height = static_cast<png_uint_32>(height_);
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::string out(size, '\0');
    if (png_image_write_to_memory(&image, out.data(), &size, 0, pixels_.data(), 0, nullptr) == 0) {
      throw Error(ErrorCode::kInternal, fmt::format("libpng could not encode the heat map: {}", image.message));
    }
    out.resize(size);
    return out;
  }

 private:
  void glyph(int x, int y, const BitmapGlyph& rows, Color color) {
    for (int row = 0; row < kGlyphHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if ((rows[static_cast<std::size_t>(row)] >> (kGlyphWidth - 1 - column) & 1) != 0) {
          rectangle(x + column * kScale, y + row * kScale, kScale, kScale, color);
        }
      }
    }
  }

  static_assert(sizeof(Color) == 3, "rows of Color are rows of RGB bytes");
  int width_;
  int height_;
  std::vector<Color> pixels_;
};

}  // namespace

std::unique_ptr<Canvas> make_png_canvas(int width, int height) {
  return std::make_unique<PngCanvas>(width, height);
}

}  // namespace mlxe::cli
