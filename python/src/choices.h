// The engine's enumerations as the words that Python writes.
#pragma once

#include <string_view>

#include "mlxe/options.h"

namespace mlxe::python {

/// \throws Error{kInvalidInput} naming the argument, the word and those that would do
[[nodiscard]] Task to_task(std::string_view word);
[[nodiscard]] Device to_device(std::string_view word);
[[nodiscard]] Precision to_precision(std::string_view word);
[[nodiscard]] Role to_role(std::string_view word);
[[nodiscard]] Normalize to_normalize(std::string_view word);
[[nodiscard]] Overflow to_overflow(std::string_view word);
[[nodiscard]] Aggregation to_aggregation(std::string_view word);

}  // namespace mlxe::python
