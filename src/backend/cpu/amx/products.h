// AMX products: what the shared code for packing, quantising and finishing has to know of them.
#pragma once

#include "backend/cpu/amx/tiles.h"
#include "backend/cpu/avx512_bf16/products.h"
#include "backend/cpu/avx512_vnni/products.h"

namespace mlxe::cpu::amx {
namespace {  // each translation unit its own

/// Tile kSum += tile kA times tile kB: 16 words along k, each a pair of bf16.
struct Bf16Product : avx512_bf16::Bf16Product {
  static constexpr int kWordsAtOnce = kTileWords;
  template <int kSum, int kA, int kB>
  static inline __attribute__((always_inline)) void multiply_tiles() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
  }
};

/// Likewise of four int8, those of a without signs.
struct Int8Product : avx512_vnni::Int8Product {
  static constexpr int kWordsAtOnce = kTileWords;
  template <int kSum, int kA, int kB>
  static inline __attribute__((always_inline)) void multiply_tiles() {
    asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kA), "i"(kB));
  }
  static Vector load_sums(const float* p) { return to_float({_mm512_loadu_si512(p)}); }
};

}  // namespace
}  // namespace mlxe::cpu::amx
