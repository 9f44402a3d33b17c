// The CPU backend: our own kernels, chosen for the instruction set found at run time.
#pragma once

#include <memory>

#include "tensor/backend.h"

namespace mlxe::cpu {

enum class CpuPrecision {
  kAuto,  ///< bf16 or int16 where the CPU has fast dot products of them, else fp32
  kFp32,
  kBf16,
  kInt16,
  kInt8,
};

struct CpuOptions {
  CpuPrecision precision = CpuPrecision::kAuto;
  int threads = 0;  ///< >= 0; 0: as many as the cgroup limit and the CPU affinity allow
};

/// \throws Error{kUnsupported} for a precision that this CPU has no kernels for, Error{kInvalidInput} if MLXE_CPU_ISA
/// names an instruction set that is unknown or that this machine lacks
[[nodiscard]] std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options);

}  // namespace mlxe::cpu
