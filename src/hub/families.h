// Names of models: families with aliases, and short names of single repositories.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mlxe/families.h"

namespace mlxe {

/// The repository that an alias or a variant's short name stands for, without regard to case.
[[nodiscard]] std::optional<std::string> repository_of_alias(std::string_view name);

/// Every name that repository_of_alias() knows and every repository of a family, for suggestions.
[[nodiscard]] std::vector<std::string> known_model_names();

}  // namespace mlxe
