// Writing JSON: numbers that read back to the same bits, in every locale, and escaped strings.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "mlxe/output.h"

namespace mlxe::cli {

/// The shortest decimal that reads back as the same float.
void append_number(std::string& out, float value);
/// [0.1,0.2]
void append_numbers(std::string& out, std::span<const float> values);
/// A JSON string with its quotes; `text` is UTF-8.
void append_string(std::string& out, std::string_view text);
[[nodiscard]] std::string json_string(std::string_view text);

/// How an object about one text begins: "index":0,"tokens":5,"tokens_in_text":5,"truncated":false
[[nodiscard]] std::string report_json(std::size_t index, const ItemReport& report);

}  // namespace mlxe::cli
