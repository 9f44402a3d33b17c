// Choosing the kernel table for this machine, or the one that MLXE_CPU_ISA forces.
#pragma once

#include <span>

#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu {

/// The tables that this machine can run, best first; the portable one is always among them.
[[nodiscard]] std::span<const KernelTable> available_kernels();

/// The best table, or the one that the environment variable MLXE_CPU_ISA names.
/// \throws Error{kInvalidInput} if that is unknown or this machine lacks it, listing what it has
[[nodiscard]] const KernelTable& choose_kernels();

/// Of the cache lines that a kernel will need from memory, how many the L2 cache fetches when it is asked for one.
[[nodiscard]] int lines_per_request();

}  // namespace mlxe::cpu
