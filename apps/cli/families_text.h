// The known model families as JSON, for `families` and --list-families.
#pragma once

#include <string>

namespace mlxe::cli {

/// A dictionary by family, indented by two, with a final newline.
[[nodiscard]] std::string families_json();

}  // namespace mlxe::cli
