// KernelTable: the functions of one instruction set; all share these contracts, so any table may serve any call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/ops.h"

namespace mlxe::cpu {

/// c[r, j] = activation(sum_p a[r, p] b[j, p] + bias[j]) + residual[r, j] for the given rows and panels.
/// Every output is one chain of multiply-adds over p in order, whatever the number of rows: bits never depend on it.
struct GemmArgs {
  const float* a = nullptr;  ///< [rows, k], row stride lda
  std::ptrdiff_t lda = 0;
  const float* b = nullptr;         ///< packed panels: panel j holds [k, panel_width], zeros beyond column n
  const float* bias = nullptr;      ///< [num_panels * panel_width], or null
  const float* residual = nullptr;  ///< [rows, n], row stride ldr, or null
  std::ptrdiff_t ldr = 0;
  float* c = nullptr;  ///< [rows, n], row stride ldc
  std::ptrdiff_t ldc = 0;
  int rows = 0;
  int n = 0;
  int k = 0;
  int panel_begin = 0;
  int panel_end = 0;
  Activation activation = Activation::kNone;
};

/// All query heads that share one key and value head, over one sequence.
struct AttentionArgs {
  const float* q = nullptr;  ///< [length, num_q_heads * head_dim], row stride ldq
  std::ptrdiff_t ldq = 0;
  const float* k = nullptr;  ///< [length, head_dim], row stride ldk
  std::ptrdiff_t ldk = 0;
  const float* v = nullptr;  ///< [length, head_dim], row stride ldv
  std::ptrdiff_t ldv = 0;
  float* out = nullptr;  ///< as q, row stride ldo
  std::ptrdiff_t ldo = 0;
  int length = 0;
  int head_dim = 0;
  int num_q_heads = 1;
  float scale = 1.0F;        ///< > 0
  float* scratch = nullptr;  ///< attention_scratch_floats(length, head_dim, num_q_heads) floats, aligned to 64 bytes
};

struct LayerNormArgs {
  const float* x = nullptr;  ///< [rows, size], row stride ldx
  std::ptrdiff_t ldx = 0;
  float* y = nullptr;  ///< [rows, size], row stride ldy; may be x
  std::ptrdiff_t ldy = 0;
  const float* scale = nullptr;  ///< [size]
  const float* shift = nullptr;  ///< [size], or null
  float eps = 0.0F;
  int rows = 0;
  int size = 0;
};

struct KernelTable {
  const char* name;         ///< the word for MLXE_CPU_ISA and `info`
  const char* description;  ///< for people
  int panel_width;          ///< columns of a packed panel of gemm's b
  void (*gemm)(const GemmArgs&);
  /// Packs rows [0, count) of w (float32, [count, k], row stride k) into one panel [k, panel_width], zero-padded.
  void (*pack_panel)(const float* w, int count, int k, float* panel);
  void (*attention)(const AttentionArgs&);
  std::size_t (*attention_scratch_floats)(int length, int head_dim, int num_q_heads);
  void (*layer_norm)(const LayerNormArgs&);
  void (*activate)(Activation activation, float* x, std::size_t count);  ///< in place
};

extern const KernelTable kPortableKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

}  // namespace mlxe::cpu
