// The drawing of a heat map: where cells, labels and the colour bar go.
#include "heatmap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "labels.h"
#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

constexpr Color kPaper{255, 255, 255};
constexpr Color kInk{24, 28, 36};
constexpr int kMargin = 24;
constexpr int kBarWidth = 24;
constexpr std::size_t kLabelColumns = 30;

struct Layout {
  int count = 0;
  int cell = 0;
  bool numbers = false;  // in the cells
  bool labels = false;   // beside the rows
  int left = 0;          // of the matrix
  int top = 0;
  int size = 0;  // of the matrix
  int width = 0;
  int height = 0;
};

Layout layout_of(std::span<const std::string> labels) {
  Layout layout;
  layout.count = static_cast<int>(labels.size());
  layout.numbers = layout.count <= 32;  // a wider picture than 2,300 pixels fits no screen
  layout.labels = layout.count <= 100;
  layout.cell = layout.numbers ? 72 : layout.labels ? 18 : std::max(1, 1800 / layout.count);
  std::size_t columns = 0;
  for (const std::string& text : labels) {
    columns = std::max(columns, display_columns(text));
  }
  const int label_width = layout.labels ? (static_cast<int>(columns) + 1) * kCharacterWidth : 0;
  layout.left = kMargin + label_width;
  layout.top = kMargin + (layout.numbers ? 2 * kCharacterHeight : 0);
  layout.size = std::max(layout.cell * layout.count, 6 * kCharacterHeight);  // room for the bar's numbers
  layout.width = layout.left + layout.size + kMargin + kBarWidth + 6 * kCharacterWidth + kMargin;
  layout.height = layout.top + layout.size + kMargin;
  return layout;
}

// Rec. 601 luma; 140 keeps both inks above a contrast of 4.5 : 1 over the whole scale.
Color ink_on(Color background) {
  const double luma = 0.299 * background.red + 0.587 * background.green + 0.114 * background.blue;
  return luma > 140 ? kInk : kPaper;
}

// The scale starts at 0, as similarities of texts do, unless something lies below.
double scale_bottom(std::span<const float> cosines) {
  const auto least = std::min_element(cosines.begin(), cosines.end());
  return least == cosines.end() || *least >= 0 ? 0.0 : std::floor(static_cast<double>(*least) * 10) / 10;
}

void draw_cells(Canvas& canvas, const Layout& layout, std::span<const float> cosines, double bottom) {
  for (int row = 0; row < layout.count; ++row) {
    for (int column = 0; column < layout.count; ++column) {
      const auto cosine = static_cast<double>(cosines[static_cast<std::size_t>(row * layout.count + column)]);
      const Color color = scale_color((cosine - bottom) / (1 - bottom));
      const int x = layout.left + column * layout.cell;
      const int y = layout.top + row * layout.cell;
      canvas.rectangle(x, y, layout.cell, layout.cell, color);
      if (layout.numbers) {
        canvas.text(x + layout.cell / 2, y + layout.cell / 2, fmt::format("{:.2f}", cosine), Anchor::kMiddle,
                    ink_on(color));
      }
    }
  }
}

void draw_labels(Canvas& canvas, const Layout& layout, std::span<const std::string> labels) {
  for (int i = 0; i < layout.count; ++i) {
    const int middle = i * layout.cell + layout.cell / 2;
    if (layout.labels) {
      canvas.text(layout.left - kCharacterWidth, layout.top + middle, labels[static_cast<std::size_t>(i)],
                  Anchor::kRight, kInk);
    }
    if (layout.numbers) {
      canvas.text(layout.left + middle, layout.top - kCharacterHeight, fmt::format("{}", i + 1), Anchor::kMiddle, kInk);
    }
  }
}

void draw_bar(Canvas& canvas, const Layout& layout, double bottom) {
  const int x = layout.left + layout.size + kMargin;
  constexpr int kStep = 2;
  for (int y = 0; y < layout.size; y += kStep) {
    const double position = 1 - static_cast<double>(y) / layout.size;
    canvas.rectangle(x, layout.top + y, kBarWidth, std::min(kStep, layout.size - y), scale_color(position));
  }
  constexpr int kTicks = 4;
  for (int tick = 0; tick <= kTicks; ++tick) {
    const double position = static_cast<double>(tick) / kTicks;
    const int y = layout.top + static_cast<int>(std::lround((1 - position) * layout.size));
    canvas.text(x + kBarWidth + kCharacterWidth / 2, y, fmt::format("{:.2f}", bottom + position * (1 - bottom)),
                Anchor::kLeft, kInk);
  }
}

}  // namespace

PictureFormat picture_format(const std::string& path) {
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".svg") {
    return PictureFormat::kSvg;
  }
  if (ending == ".png") {
    return PictureFormat::kPng;
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("cannot tell the format of the heat map '{}': its ending is '{}', wanted .svg or .png", path,
                          ending));
}

Color scale_color(double position) {
  constexpr std::array<std::array<double, 3>, 5> kStops{
      {{22, 32, 74}, {30, 84, 122}, {46, 140, 128}, {138, 194, 100}, {252, 234, 120}}};
  const double place = std::clamp(position, 0.0, 1.0) * (kStops.size() - 1);
  const auto below = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const double share = place - static_cast<double>(below);
  const auto channel = [&](std::size_t i) {
    return static_cast<std::uint8_t>(std::lround(kStops[below][i] * (1 - share) + kStops[below + 1][i] * share));
  };
  return {channel(0), channel(1), channel(2)};
}

std::string heatmap(PictureFormat format, std::span<const std::string> texts, std::span<const float> cosines) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    labels.push_back(fmt::format("{} {}", label(texts[i], kLabelColumns), i + 1));
  }
  const Layout layout = layout_of(labels);
  const auto canvas = format == PictureFormat::kSvg ? make_svg_canvas(layout.width, layout.height)
                                                    : make_png_canvas(layout.width, layout.height);
  const double bottom = scale_bottom(cosines);
  canvas->rectangle(0, 0, layout.width, layout.height, kPaper);
  draw_cells(*canvas, layout, cosines, bottom);
  draw_labels(*canvas, layout, labels);
  draw_bar(*canvas, layout, bottom);
  return canvas->encode();
}

}  // namespace mlxe::cli
