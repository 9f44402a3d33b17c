// The nearest known name to a mistyped one, for error messages.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mlxe {

/// The candidate of least edit distance, if that is at most a third of the name's length (and at least 1).
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> candidates);

}  // namespace mlxe
