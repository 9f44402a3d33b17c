// Choosing the kernel table for this machine, or the one that MLXE_CPU_ISA forces.
#include "backend/cpu/instruction_set.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"

namespace mlxe::cpu {

std::span<const KernelTable* const> available_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found;
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks whether the operating system saves the wide registers.
    if (__builtin_cpu_supports("avx512f") != 0) {
      found.push_back(&kAvx512Kernels);
    }
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
      found.push_back(&kAvx2Kernels);
    }
#endif
    found.push_back(&kPortableKernels);
    return found;
  }();
  return tables;
}

const KernelTable& choose_kernels() {
  const auto tables = available_kernels();
  const char* forced = std::getenv("MLXE_CPU_ISA");
  if (forced == nullptr || *forced == '\0') {
    return *tables.front();
  }
  std::vector<std::string_view> names;
  for (const KernelTable* table : tables) {
    if (std::string_view(forced) == table->name) {
      return *table;
    }
    names.emplace_back(table->name);
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("MLXE_CPU_ISA is '{}', this machine has: {}", forced, fmt::join(names, ", ")));
}

}  // namespace mlxe::cpu
