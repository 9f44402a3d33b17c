// Choosing the kernel table for this machine, or the one that MLXE_CPU_ISA forces.
#include "backend/cpu/instruction_set.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"

namespace mlxe::cpu {

namespace {

/// Best first. A table may use the parts of lesser sets.
std::vector<KernelTable> find_kernels() {
  std::vector<KernelTable> found;
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the wide registers.
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0) {
    const bool vnni = __builtin_cpu_supports("avx512vnni") != 0;
    if (vnni && __builtin_cpu_supports("avx512bf16") != 0) {
      found.push_back({"avx512_bf16", "AVX-512 with BF16 and VNNI dot products", &kAvx512Vector, &kAvx512Fp32,
                       &kAvx512Bf16, &kAvx512Int8});
    }
    if (vnni) {
      found.push_back(
          {"avx512_vnni", "AVX-512 with VNNI dot products", &kAvx512Vector, &kAvx512Fp32, nullptr, &kAvx512Int8});
    }
    found.push_back({"avx512", "AVX-512: 16 floats", &kAvx512Vector, &kAvx512Fp32, nullptr, nullptr});
  }
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) {
    found.push_back({"avx2", "AVX2 and FMA: 8 floats", &kAvx2Vector, &kAvx2Fp32, nullptr, nullptr});
  }
#endif
  found.push_back({"portable", "any CPU: 4 floats", &kPortableVector, &kPortableFp32, nullptr, nullptr});
  return found;
}

}  // namespace

std::span<const KernelTable> available_kernels() {
  static const std::vector<KernelTable> tables = find_kernels();
  return tables;
}

const KernelTable& choose_kernels() {
  const auto tables = available_kernels();
  const char* forced = std::getenv("MLXE_CPU_ISA");
  if (forced == nullptr || *forced == '\0') {
    return tables.front();
  }
  std::vector<std::string_view> names;
  for (const KernelTable& table : tables) {
    if (std::string_view(forced) == table.name) {
      return table;
    }
    names.emplace_back(table.name);
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("MLXE_CPU_ISA is '{}', this machine has: {}", forced, fmt::join(names, ", ")));
}

}  // namespace mlxe::cpu
