// A backend that tells how long each operation took; made only when somebody wants to know.
#pragma once

#include <functional>
#include <memory>

#include "mlxe/options.h"
#include "tensor/backend.h"

namespace mlxe {

/// \param report  called after each operation, by several workers at once
[[nodiscard]] std::unique_ptr<Backend> make_profiling_backend(std::unique_ptr<Backend> backend,
                                                              std::function<void(const OperationTime&)> report);

}  // namespace mlxe
