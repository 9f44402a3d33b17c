// Forces an instruction set through MLXE_CPU_ISA for a scope.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/instruction_set.h"

namespace mlxe::cpu {

class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    const char* before = std::getenv("MLXE_CPU_ISA");
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    setenv("MLXE_CPU_ISA", name, 1);
  }
  ~ForcedIsa() { had_ ? setenv("MLXE_CPU_ISA", before_.c_str(), 1) : unsetenv("MLXE_CPU_ISA"); }
  ForcedIsa(const ForcedIsa&) = delete;
  ForcedIsa& operator=(const ForcedIsa&) = delete;

 private:
  bool had_ = false;
  std::string before_;
};

/// Calls body(precision, what) for every precision of every instruction set of this machine, which is forced
/// meanwhile; `what` names both.
template <class Body>
void for_each_precision(const Body& body) {
  for (const KernelTable& isa : available_kernels()) {
    const ForcedIsa forced(isa.name);
    for (const auto& [precision, kernels] :
         {std::pair(CpuPrecision::kFp32, isa.fp32), std::pair(CpuPrecision::kBf16, isa.bf16),
          std::pair(CpuPrecision::kInt16, isa.int16), std::pair(CpuPrecision::kInt8, isa.int8)}) {
      if (kernels != nullptr) {
        body(precision, std::string(isa.name) + ", " + kernels->precision);
      }
    }
  }
}

}  // namespace mlxe::cpu
