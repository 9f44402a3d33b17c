// SHA-256, as lowercase hexadecimal.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace mlxe {

[[nodiscard]] std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace mlxe
