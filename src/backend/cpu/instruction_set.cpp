// Choosing the kernel table for this machine, or the one that MLXE_CPU_ISA forces.
#include "backend/cpu/instruction_set.h"

#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include "mlxe/error.h"

namespace mlxe::cpu {

namespace {

#if defined(__x86_64__)
/// By cpuid, as not every compiler's __builtin_cpu_supports knows the word. It uses AVX2's registers, which are asked
/// for before.
bool has_avx_vnni() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1U << 4U)) != 0;
}
/// Intel's cores since Sapphire Rapids, which are those with fp16, take two cycles for a product of bf16 pairs, as
/// their way is AMX: half of float32's rate, where widened bf16 has two thirds. AMD's Zen 4 has twice float32's rate.
bool has_slow_bf16() {
  return __builtin_cpu_is("intel") != 0 && __builtin_cpu_supports("avx512fp16") != 0;
}
/// Whether this process may use AMX's tiles: it has to ask the system, which then keeps room for them.
bool may_use_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kBf16 = 1U << 22U;
  constexpr unsigned kTiles = 1U << 24U;
  constexpr unsigned kInt8 = 1U << 25U;
  constexpr unsigned kAll = kBf16 | kTiles | kInt8;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAll) != kAll) {
    return false;
  }
#if defined(__linux__)
  // ARCH_REQ_XCOMP_PERM and the tiles' data of the kernel's interface, which older headers lack.
  constexpr int kAskForRegisters = 0x1023;
  constexpr int kTileData = 18;
  return syscall(SYS_arch_prctl, kAskForRegisters, kTileData) == 0;
#else
  return false;
#endif
}
#elif defined(__aarch64__)
struct ArmFeatures {
  bool dot_products = false;
  bool bf16 = false;
  bool int8_matrices = false;
};

ArmFeatures arm_features() {
#if defined(__linux__)
  // HWCAP_ASIMDDP, HWCAP2_BF16 and HWCAP2_I8MM of the kernel's interface, which older headers lack.
  return {.dot_products = (getauxval(AT_HWCAP) & (1UL << 20U)) != 0,
          .bf16 = (getauxval(AT_HWCAP2) & (1UL << 14U)) != 0,
          .int8_matrices = (getauxval(AT_HWCAP2) & (1UL << 13U)) != 0};
#else
  return {};
#endif
}
#endif

/// Best first. A table may use the parts of lesser sets, and one that is listed later may have more of them.
std::vector<KernelTable> find_kernels() {
  std::vector<KernelTable> found;
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks whether the operating system saves the wide registers.
  if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0) {
    const bool vnni = __builtin_cpu_supports("avx512vnni") != 0;
    KernelTable table = {.name = "avx512",
                         .description = "AVX-512: 16 floats",
                         .vector = &kAvx512Vector,
                         .fp32 = &kAvx512Fp32,
                         .bf16 = &kAvx512WidenedBf16,
                         .int16 = nullptr,
                         .int8 = nullptr,
                         .attention_fp32 = &kAvx512AttentionFp32,
                         .attention_bf16 = nullptr,
                         .attention_int16 = nullptr,
                         .automatic = &kAvx512Fp32,
                         .bf16_is_widened = true};
    found.push_back(table);
    if (vnni) {
      table.name = "avx512_vnni";
      table.description = "AVX-512 with VNNI dot products";
      table.int16 = &kAvx512Int16;
      table.int8 = &kAvx512Int8;
      table.attention_int16 = &kAvx512AttentionInt16;
      table.automatic = &kAvx512Int16;
      found.insert(found.begin(), table);
    }
    if (vnni && __builtin_cpu_supports("avx512bf16") != 0) {
      table.name = "avx512_bf16";
      table.description = "AVX-512 with BF16 and VNNI dot products";
      table.bf16 = &kAvx512Bf16;
      table.bf16_is_widened = false;
      table.attention_bf16 = &kAvx512AttentionBf16;
      table.automatic = &kAvx512Bf16;
      found.insert(has_slow_bf16() ? found.begin() + 1 : found.begin(), table);
      if (may_use_tiles()) {
        table.name = "amx";
        table.description = "AMX: products of bf16 and int8 tiles; AVX-512 with VNNI";
        table.bf16 = &kAmxBf16;
        table.int8 = &kAmxInt8;
        table.attention_bf16 = &kAmxAttentionBf16;
        table.automatic = &kAmxBf16;
        found.insert(found.begin(), table);
      }
    }
  }
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
      __builtin_cpu_supports("f16c") != 0) {
    KernelTable table = {.name = "avx2",
                         .description = "AVX2 and FMA: 8 floats",
                         .vector = &kAvx2Vector,
                         .fp32 = &kAvx2Fp32,
                         .bf16 = &kAvx2WidenedBf16,
                         .int16 = &kAvx2Int16,
                         .int8 = &kAvx2Int8,
                         .attention_fp32 = &kAvx2AttentionFp32,
                         .attention_bf16 = nullptr,
                         .attention_int16 = nullptr,
                         .automatic = &kAvx2Fp32,  // int16 is 1.3 times as fast, with dot products 1.7 times
                         .bf16_is_widened = true};
    found.push_back(table);
    if (has_avx_vnni()) {
      table.name = "avx_vnni";
      table.description = "AVX2 and FMA with 256-bit VNNI dot products";
      table.int16 = &kAvxVnniInt16;
      table.int8 = &kAvxVnniInt8;
      table.attention_int16 = &kAvxVnniAttentionInt16;
      table.automatic = &kAvxVnniInt16;
      found.insert(found.end() - 1, table);
    }
  }
#elif defined(__aarch64__)
  KernelTable table = {.name = "neon",
                       .description = "NEON: 4 floats",
                       .vector = &kNeonVector,
                       .fp32 = &kNeonFp32,
                       .bf16 = &kNeonWidenedBf16,
                       .int16 = nullptr,
                       .int8 = nullptr,
                       .attention_fp32 = &kNeonAttentionFp32,
                       .attention_bf16 = nullptr,
                       .attention_int16 = nullptr,
                       .automatic = &kNeonFp32,
                       .bf16_is_widened = true};
  found.push_back(table);
  const ArmFeatures features = arm_features();
  if (features.dot_products) {
    table.name = "neon_dot";
    table.description = "NEON with int8 dot products";
    table.int8 = &kNeonInt8;
    found.insert(found.begin(), table);
  }
  if (features.dot_products && features.bf16) {
    table.name = "neon_bf16";
    table.description = "NEON with BF16 and int8 dot products";
    table.bf16 = &kNeonBf16;
    table.bf16_is_widened = false;
    table.attention_bf16 = &kNeonAttentionBf16;
    table.automatic = &kNeonBf16;
    found.insert(found.begin(), table);
  }
  if (features.dot_products && features.int8_matrices) {
    table.name = "neon_i8mm";
    table.description =
        features.bf16 ? "NEON with BF16 dot products and int8 matrix products" : "NEON with int8 matrix products";
    table.int8 = &kNeonI8mm;
    found.insert(found.begin(), table);
  }
#endif
  found.push_back({.name = "portable",
                   .description = "any CPU: 4 floats",
                   .vector = &kPortableVector,
                   .fp32 = &kPortableFp32,
                   .bf16 = &kPortableWidenedBf16,
                   .int16 = nullptr,
                   .int8 = nullptr,
                   .attention_fp32 = &kPortableAttentionFp32,
                   .attention_bf16 = nullptr,
                   .attention_int16 = nullptr,
                   .automatic = &kPortableFp32,
                   .bf16_is_widened = true});
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

// Intel's fetch the lines up to the next request by themselves, and asking for those too takes 1.14 times as long for a
// query on Emerald Rapids. AMD's do not: on Zen 5 a query takes 0.7 to 0.8 of the time if all are asked for.
int lines_per_request() {
#if defined(__x86_64__)
  static const bool is_intel = __builtin_cpu_is("intel") != 0;
  return is_intel ? 4 : 1;
#else
  return 1;
#endif
}

}  // namespace mlxe::cpu
