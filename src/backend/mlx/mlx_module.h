// The two C functions that the MLX module exports.
#pragma once

#include "tensor/backend.h"

namespace mlxe {

/// MLXE_VERSION of the build that the module belongs to: the interface between the two is C++ and changes with it.
using MlxModuleVersion = const char*();
constexpr const char* kMlxModuleVersionName = "mlxe_mlx_module_version";

/// A new backend, owned by the caller. Throws Error{kUnsupported} if libmlx has no usable device.
using MlxModuleMake = Backend*();
constexpr const char* kMlxModuleMakeName = "mlxe_mlx_module_make";

}  // namespace mlxe
