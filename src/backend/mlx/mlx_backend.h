// The MLX backend, a module that is loaded only when asked for.
#pragma once

#include <memory>

#include "tensor/backend.h"

namespace mlxe {

/// Loads the module libmlxe_backend_mlx and makes its backend. The module lies at MLXE_MLX_BACKEND, else beside the
/// library that this code is in (Python's), else beside the program.
/// \throws Error{kUnsupported} saying what is missing or of another version: the module, or libmlx itself
[[nodiscard]] std::unique_ptr<Backend> load_mlx_backend();

}  // namespace mlxe
