// Base64 with padding, as JSON carries bytes.
#pragma once

#include <string>
#include <string_view>

namespace mlxe {

[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace mlxe
