// std::to_chars for numbers, as it knows no locale, and the escapes that JSON demands.
#include "json_text.h"

#include <array>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace mlxe::cli {

void append_number(std::string& out, float value) {
  std::array<char, 32> digits{};  // the longest float is 15 characters
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

void append_numbers(std::string& out, std::span<const float> values) {
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) {
      out += ',';
    }
    append_number(out, values[i]);
  }
  out += ']';
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

std::string report_json(std::size_t index, const ItemReport& report) {
  return fmt::format(R"("index":{},"tokens":{},"tokens_in_text":{},"truncated":{})", index, report.tokens,
                     report.tokens_in_text, report.truncated());
}

}  // namespace mlxe::cli
