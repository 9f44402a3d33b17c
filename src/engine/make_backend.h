// Choosing and making the backend of an engine.
#pragma once

#include <memory>

#include "mlxe/options.h"
#include "tensor/backend.h"

namespace mlxe {

/// \throws Error{kUnsupported} for a device or precision that this machine or build lacks
[[nodiscard]] std::unique_ptr<Backend> make_backend(const LoadOptions& options);

}  // namespace mlxe
