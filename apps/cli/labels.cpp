// Column counts by ranges of code points; coarse, but it keeps tables straight for common scripts.
#include "labels.h"

#include <algorithm>
#include <array>
#include <bit>

namespace mlxe::cli {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

constexpr std::array<Range, 9> kNoColumns{{{0x0300, 0x036F},
                                           {0x0483, 0x0489},
                                           {0x0591, 0x05BD},
                                           {0x064B, 0x065F},
                                           {0x200B, 0x200F},
                                           {0x202A, 0x202E},
                                           {0x2060, 0x2069},
                                           {0x20D0, 0x20FF},
                                           {0xFE00, 0xFE0F}}};
constexpr std::array<Range, 9> kTwoColumns{{{0x1100, 0x115F},
                                            {0x2E80, 0xA4CF},
                                            {0xAC00, 0xD7A3},
                                            {0xF900, 0xFAFF},
                                            {0xFE30, 0xFE6F},
                                            {0xFF00, 0xFF60},
                                            {0xFFE0, 0xFFE6},
                                            {0x1F300, 0x1FAFF},
                                            {0x20000, 0x3FFFD}}};

template <std::size_t Size>
bool contains(const std::array<Range, Size>& ranges, char32_t point) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Range& range) { return point >= range.first && point <= range.last; });
}

std::size_t columns_of(char32_t point) {
  if (contains(kNoColumns, point)) {
    return 0;
  }
  return contains(kTwoColumns, point) ? 2 : 1;
}

// C0 and C1 controls, and the two separators that some terminals break lines at.
bool is_space_or_control(char32_t point) {
  return point <= 0x20 || (point >= 0x7F && point <= 0xA0) || point == 0x2028 || point == 0x2029;
}

std::string one_line(std::string_view text) {
  std::string line;
  bool gap = false;
  while (!text.empty()) {
    const std::string_view before = text;
    if (is_space_or_control(take_code_point(text))) {
      gap = !line.empty();
      continue;
    }
    line += gap ? " " : "";
    gap = false;
    line += before.substr(0, before.size() - text.size());
  }
  return line;
}

}  // namespace

char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const auto ones = static_cast<std::size_t>(std::countl_one(lead));
  const std::size_t size = std::min(std::max<std::size_t>(ones, 1), text.size());
  auto point = static_cast<char32_t>(ones == 0 ? lead : lead & (0x7FU >> ones));
  for (std::size_t i = 1; i < size; ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  text.remove_prefix(size);
  return point;
}

std::size_t display_columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    columns += columns_of(take_code_point(text));
  }
  return columns;
}

std::string label(std::string_view text, std::size_t columns) {
  // A label never needs more than this; it spares a pass over a text of megabytes.
  constexpr std::size_t kEnoughBytes = 4096;
  std::string_view head = text.substr(0, kEnoughBytes);
  while (!head.empty() && head.size() < text.size() && (static_cast<unsigned char>(text[head.size()]) & 0xC0) == 0x80) {
    head.remove_suffix(1);
  }
  const std::string line = one_line(head);
  if (display_columns(line) <= columns) {
    return line;
  }
  std::string out;
  std::size_t used = 0;
  std::string_view rest = line;
  while (!rest.empty()) {
    const std::string_view before = rest;
    used += columns_of(take_code_point(rest));
    if (used + 1 > columns) {
      break;
    }
    out += before.substr(0, before.size() - rest.size());
  }
  while (out.ends_with(' ')) {
    out.pop_back();
  }
  return out + "\xE2\x80\xA6";  // …
}

}  // namespace mlxe::cli
