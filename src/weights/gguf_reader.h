// GgufReader: takes the header of a GGUF file apart, never reading beyond its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "weights/gguf_file.h"

namespace mlxe {

/// Takes one thing after the other off the header's front.
class GgufReader {
 public:
  GgufReader(std::string file, std::span<const std::byte> bytes) : file_(std::move(file)), bytes_(bytes) {}

  [[noreturn]] void fail(std::string_view text, ErrorCode code = ErrorCode::kCorruptModel) const {
    throw Error(code, fmt::format("{}: {}", file_, text));
  }

  template <typename Number>
  Number number(std::string_view what) {
    Number value{};
    need(sizeof(value), what);
    std::memcpy(&value, bytes_.data() + at_, sizeof(value));
    at_ += sizeof(value);
    return value;
  }

  std::string text(std::string_view what, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const auto size = number<std::uint64_t>(what);
    if (size > most) {
      fail(fmt::format("{} has {} bytes, wanted at most {}", what, size, most));
    }
    need(size, what);
    std::string text(reinterpret_cast<const char*>(bytes_.data() + at_), static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return text;
  }

  /// Refuses what cannot be in the file, before memory is asked for it.
  void need(std::uint64_t size, std::string_view what) const {
    if (size > bytes_.size() - at_) {
      fail(fmt::format("{} wants {} bytes at byte {}, but only {} follow; the file is cut off or wrong", what, size,
                       at_, bytes_.size() - at_));
    }
  }

  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }

 private:
  std::string file_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

/// A value of the metadata, its type first.
/// \param what  names it in errors
/// \throws Error{kCorruptModel} for a type that the format does not have, and for what the file is too short for
[[nodiscard]] GgufValue read_gguf_value(GgufReader& reader, const std::string& what);

}  // namespace mlxe
