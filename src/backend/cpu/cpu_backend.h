// The CPU backend: our own kernels, chosen for the instruction set found at run time.
#pragma once

#include <memory>

#include "tensor/backend.h"

namespace mlxe::cpu {

enum class CpuPrecision { kFp32 };

struct CpuOptions {
  CpuPrecision precision = CpuPrecision::kFp32;
  int threads = 0;  ///< 0: as many as the cgroup limit and the CPU affinity allow
};

/// \throws Error{kInvalidInput} if MLXE_CPU_ISA names an instruction set that is unknown or that this machine lacks
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

}  // namespace mlxe::cpu
