// A canvas that writes SVG elements.
#include <iterator>

#include <fmt/format.h>

#include "heatmap.h"

namespace mlxe::cli {
namespace {

// Labels hold no control characters, so these three are all that XML text needs.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

// XML 1.0 forbids two code points that UTF-8 allows: U+FFFE and U+FFFF.
std::string without_noncharacters(std::string text) {
  for (const std::string_view forbidden : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {
    for (std::size_t at = text.find(forbidden); at != std::string::npos; at = text.find(forbidden, at)) {
      text.replace(at, forbidden.size(), "?");
    }
  }
  return text;
}

class SvgCanvas : public Canvas {
 public:
  SvgCanvas(int width, int height)
      : out_(fmt::format(R"(<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" )"
                         R"(font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="18">
)",
                         width, height)) {}

  void rectangle(int x, int y, int width, int height, Color color) override {
    fmt::format_to(std::back_inserter(out_), "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x, y,
                   width, height, hex(color));
  }

  void text(int x, int y, std::string_view text, Anchor anchor, Color color) override {
    const std::string_view side = anchor == Anchor::kLeft ? "start" : anchor == Anchor::kMiddle ? "middle" : "end";
    fmt::format_to(std::back_inserter(out_),
                   "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\" dominant-baseline=\"central\" fill=\"{}\">{}</text>\n",
                   x, y, side, hex(color), escaped(without_noncharacters(std::string(text))));
  }

  std::string encode() override { return out_ + "</svg>\n"; }

 private:
  static std::string hex(Color color) { return fmt::format("#{:02x}{:02x}{:02x}", color.red, color.green, color.blue); }

  std::string out_;
};

}  // namespace

std::unique_ptr<Canvas> make_svg_canvas(int width, int height) {
  return std::make_unique<SvgCanvas>(width, height);
}

}  // namespace mlxe::cli
