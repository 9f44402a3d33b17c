// Byte offsets of tokens as offsets in characters.
#include <cstddef>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tokenizer/tokenizer.h"

namespace mlxe {
namespace {

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

}  // namespace

TokenOffsets whole_characters(std::string_view text, TokenOffsets offsets_in_bytes) {
  auto [begin, end] = offsets_in_bytes;
  if (begin >= end) {
    return offsets_in_bytes;
  }
  const auto inside = [&](std::int32_t offset) {
    return static_cast<std::size_t>(offset) < text.size() && !begins_character(text[static_cast<std::size_t>(offset)]);
  };
  while (begin > 0 && inside(begin)) {
    --begin;
  }
  while (inside(end)) {
    ++end;
  }
  return {begin, end};
}

std::vector<TokenOffsets> offsets_in_characters(std::string_view text, std::span<const TokenOffsets> offsets_in_bytes) {
  // num_begun[i]: characters that begin in the first i bytes.
  std::vector<std::int32_t> num_begun(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    num_begun[i + 1] = num_begun[i] + (begins_character(text[i]) ? 1 : 0);
  }
  const auto checked = [&](std::int32_t offset) {
    if (offset < 0 || static_cast<std::size_t>(offset) > text.size()) {
      throw Error(ErrorCode::kInvalidInput, fmt::format("offset {} is not in a text of {} bytes", offset, text.size()));
    }
    return static_cast<std::size_t>(offset);
  };
  std::vector<TokenOffsets> converted;
  converted.reserve(offsets_in_bytes.size());
  for (const auto& [begin, end] : offsets_in_bytes) {
    const std::size_t begin_byte = checked(begin);
    const std::size_t end_byte = checked(end);
    const bool inside = begin_byte < end_byte && !begins_character(text[begin_byte]);
    converted.emplace_back(num_begun[begin_byte] - (inside ? 1 : 0), num_begun[end_byte]);
  }
  return converted;
}

}  // namespace mlxe
