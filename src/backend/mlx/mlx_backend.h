// The MLX backend, a module that is loaded only when asked for.
#pragma once

#include <memory>

#include "tensor/backend.h"

namespace mlxe {

/// Loads the module libmlxe_backend_mlx beside the program (or at MLXE_MLX_BACKEND) and makes its backend.
/// \throws Error{kUnsupported} saying what is missing: the module, or libmlx itself
[[nodiscard]] std::unique_ptr<Backend> load_mlx_backend();

}  // namespace mlxe
