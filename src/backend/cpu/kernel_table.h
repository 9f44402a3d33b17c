// KernelTable: the functions of one instruction set; all share these contracts, so any table may serve any call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/ops.h"

namespace mlxe::cpu {

/// c[r, j] = activation(scale_r scale_j sum_p a[r, p] b[j, p] + bias[j]) + residual[r, j] for the given rows and
/// panels. Operands come in words of four bytes: one float32, two bfloat16, two int16 or four int8 along p, zeros
/// beyond k. Every output is one chain of multiply-adds over p in order, whatever the number of rows: bits never depend
/// on it.
struct GemmArgs {
  const void* a = nullptr;  ///< [rows, k_words] words as MatrixKernels::prepare_rows makes them, row stride lda words
  std::ptrdiff_t lda = 0;
  const void* b = nullptr;         ///< packed panels: panel j holds [k_words, panel_width] words, zeros beyond column n
  std::ptrdiff_t panel_words = 0;  ///< words of four bytes from one panel to the next; 0: it follows at once
  int k_words = 0;
  const float* bias = nullptr;      ///< [num_panels * panel_width], or null
  const float* residual = nullptr;  ///< [rows, n], row stride ldr, or null
  std::ptrdiff_t ldr = 0;
  float* c = nullptr;  ///< [rows, n], row stride ldc
  std::ptrdiff_t ldc = 0;
  /// Or null; then [rows, panels] of words go here, row stride ldc words, and none to c: as prepare_rows would make
  /// them of c, whole panels. There is no residual. For kernels that write words.
  std::int32_t* c_words = nullptr;
  int rows = 0;
  int n = 0;
  int panel_begin = 0;
  int panel_end = 0;
  int ahead_end = 0;  ///< panels up to here come from memory, in order: the one after each is asked for early; 0: none
  int lines_per_request = 1;  ///< as lines_per_request() of instruction_set.h says of this machine
  /// What is read from memory after the last panel, or null: next_bytes of it are asked for early, a panel's at most.
  const void* next = nullptr;
  std::ptrdiff_t next_bytes = 0;
  Activation activation = Activation::kNone;
  // int8 and int16: a[r, p] = row_scale[r] q + row_offset[r], b[j, p] = column_scale[j] w; at int8 q in 0 .. 255, or
  // less, and w in -127 .. 127, at int16 both of 16 bits and no offset.
  const float* row_scale = nullptr;     ///< [rows]
  const float* row_offset = nullptr;    ///< [rows]; int8 only
  const float* column_scale = nullptr;  ///< [num_panels * panel_width]
  const float* column_sum = nullptr;    ///< [num_panels * panel_width], sum_p w; int8 only
};

/// A head's part of a position table, as AttentionKernels::pack_positions makes it.
struct PackedPositions {
  const float* words = nullptr;
  const float* scales = nullptr;
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
  int query_begin = 0;  ///< only rows [query_begin, query_end) of out are written
  int query_end = 0;
  int key_length = 0;  ///< 0 .. length: tokens from here on are no keys
  int head_dim = 0;
  int num_q_heads = 1;
  float scale = 1.0F;  ///< > 0
  int left_window = AttentionSpec::kUnlimited;
  int right_window = AttentionSpec::kUnlimited;
  const float* sinks = nullptr;  ///< [num_q_heads], or null
  // As DistanceBias has it, from the first of the query heads on; null: none.
  const float* distance_bias = nullptr;
  std::ptrdiff_t ld_distance_bias = 0;
  int max_distance = 0;
  // As RelativePositions has them, of the one query head that there then is; null: none.
  PackedPositions position_keys;     ///< the last bucket first
  PackedPositions position_queries;  ///< the first one first
  int num_buckets = 0;
  const std::int32_t* bucket_of_distance = nullptr;
  int max_relative_distance = 0;
  bool biased = false;       ///< there are sinks, a distance bias or relative positions
  float* scratch = nullptr;  ///< AttentionKernels::scratch_floats(...) floats, aligned to 64 bytes
};

/// What the scratch memory of an attention depends on, each the largest of the calls it is for.
struct AttentionSize {
  int length = 0;
  int head_dim = 0;
  int num_q_heads = 1;
  int num_buckets = 0;  ///< 0: no relative positions
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

struct RmsNormArgs {
  const float* x = nullptr;  ///< [rows, groups * size], row stride ldx
  std::ptrdiff_t ldx = 0;
  float* y = nullptr;  ///< as x, row stride ldy; may be x
  std::ptrdiff_t ldy = 0;
  const float* scale = nullptr;  ///< [size]
  float eps = 0.0F;
  int rows = 0;
  int groups = 1;
  int size = 0;
};

struct RopeArgs {
  const float* x = nullptr;  ///< [rows, heads * head_dim], row stride ldx
  std::ptrdiff_t ldx = 0;
  float* y = nullptr;  ///< as x, row stride ldy
  std::ptrdiff_t ldy = 0;
  const float* table = nullptr;  ///< [rows, 2 * pairs], cosines, then sines; row stride ldt
  std::ptrdiff_t ldt = 0;
  int rows = 0;
  int heads = 0;
  int head_dim = 0;
  int pairs = 0;
  RopePairs layout = RopePairs::kHalves;
};

struct GateArgs {
  const float* x = nullptr;  ///< [rows, 2 * size], row stride ldx
  std::ptrdiff_t ldx = 0;
  float* y = nullptr;  ///< [rows, size], row stride ldy
  std::ptrdiff_t ldy = 0;
  Gate gate;
  int rows = 0;
  int size = 0;
};

/// A panel of a quantised weight: b[p, j] = value of code p of column j * scale + bias of its group, in float32, then
/// as words of the product that it is for.
struct ExpandArgs {
  const std::uint32_t* words = nullptr;  ///< [k * bits / 32, panel_width]: down each column a stream of codes
  const float* scales = nullptr;         ///< [k / group_size, panel_width]
  const float* biases = nullptr;         ///< likewise; or null, and the codes are E2M1 (4 bits) or E4M3 (8 bits)
  bool has_exact_products = false;       ///< every code times its scale, as of scales that were of 16 bits
  const float* inverse_steps = nullptr;  ///< [panel_width], of GemmArgs::column_scale; int16 only
  void* out = nullptr;                   ///< [k_words, panel_width] words, as GemmArgs::b
  int k = 0;                             ///< a multiple of group_size, which is one of 32; of 16 for E2M1
  int panel_width = 0;
  int group_size = 0;
  int bits = 0;
};

inline constexpr int kRotated = 64;    ///< values of a row that are rotated together
inline constexpr int kHalvesStep = 4;  ///< words of k in the longest round of a product at fp32

/// Matrix products at one precision.
struct MatrixKernels {
  const char* precision;           ///< "fp32", "bf16", "int16", "int8"
  int panel_width;                 ///< columns of a packed panel of gemm's b
  int values_per_word;             ///< 1, 2, 4
  int words_at_once = 1;           ///< rows have a multiple of so many
  int rows_at_once = 1;            ///< fewer take as long
  int most_features = 0x7FFFFFFF;  ///< longest rows
  bool scaled = false;             ///< whole numbers: rows and columns have scales
  bool writes_words = false;       ///< gemm heeds GemmArgs::c_words
  void (*gemm)(const GemmArgs&);
  /// Packs rows [0, count) of w (float32, [count, k], row stride k) into one panel of words, zero-padded.
  /// Scaled: also writes panel_width values of GemmArgs::column_scale and, at int8, column_sum (else they may be null).
  void (*pack_panel)(const float* w, int count, int k, void* panel, float* column_scale, float* column_sum);
  /// Converts rows of activations to words; null at fp32, where the activations are words already.
  /// Scaled: also writes GemmArgs::row_scale and, at int8, row_offset (else they may be null).
  void (*prepare_rows)(const float* x, std::ptrdiff_t ldx, int rows, int k, void* words, std::ptrdiff_t ld_words,
                       float* row_scale, float* row_offset);
  /// y = x[k], zeros beyond k, block by block of kRotated values: times the Hadamard matrix of that size, of 1 and -1,
  /// and `factor`. For rows of activations, by 1 / kRotated, before prepare_rows and for those of weights, by 1, before
  /// pack_panel, which leaves their products as they are. Null but at int8.
  void (*rotate_row)(const float* x, int k, float factor, float* y) = nullptr;
  void (*expand_panel)(const ExpandArgs&);  ///< null at int8, whose weights have codes and scales of their own
  /// As gemm, and with its bits, of panels that hold weights of 16 bits, [k / 2, panel_width, 2] bfloat16 or
  /// [k, panel_width] float16, for k a multiple of kHalvesStep; null but at fp32, the second not in all sets even
  /// there.
  void (*gemm_of_bf16)(const GemmArgs&) = nullptr;
  void (*gemm_of_fp16)(const GemmArgs&) = nullptr;
};

/// Attention with its two products at one precision; softmax and sums are float32.
struct AttentionKernels {
  void (*attention)(const AttentionArgs&);
  std::size_t (*scratch_floats)(const AttentionSize& size);
  int position_panel;  ///< positions are packed in whole panels of so many
  std::size_t (*position_words)(int count, int head_dim);
  /// A head's part of some positions, [count, head_dim], row stride ld, from the last to the first if ld < 0.
  /// \param words   written: position_words(count, head_dim)
  /// \param scales  written: [count], rounded up to whole panels; not by all kernels
  /// \param room    for 16 rows of head_dim floats, rounded up to 16
  void (*pack_positions)(const float* rows, std::ptrdiff_t ld, int count, int head_dim, float* words, float* scales,
                         float* room);
};

/// What is float32 at every precision.
struct VectorKernels {
  void (*layer_norm)(const LayerNormArgs&);
  void (*rms_norm)(const RmsNormArgs&);
  void (*rope)(const RopeArgs&);
  void (*gate)(const GateArgs&);
  void (*activate)(Activation activation, float* x, std::size_t count);  ///< in place
};

/// What one instruction set runs on: the best it has of each kind.
struct KernelTable {
  const char* name;         ///< the word for MLXE_CPU_ISA and `info`
  const char* description;  ///< for people
  const VectorKernels* vector;
  const MatrixKernels* fp32;
  const MatrixKernels* bf16;
  const MatrixKernels* int16;  ///< null: this instruction set has none, or none that is faster than fp32
  const MatrixKernels* int8;   ///< null: this instruction set has none
  const AttentionKernels* attention_fp32;
  const AttentionKernels* attention_bf16;   ///< null: this instruction set has none
  const AttentionKernels* attention_int16;  ///< scores from int16, values at fp32; null as int16 is
  const MatrixKernels* automatic;           ///< the fastest of fp32, bf16 and int16, whose errors no task notices
  bool bf16_is_widened;  ///< to float32, on the way into each product: less memory than float32's, not more speed
};

/// How many values pack_panel and prepare_rows take of a row of k: whole blocks where it is rotated.
[[nodiscard]] constexpr int packed_features(const MatrixKernels& kernels, int k) {
  return kernels.rotate_row == nullptr ? k : (k + kRotated - 1) / kRotated * kRotated;
}

/// Words of one row of k values.
[[nodiscard]] constexpr int num_words(const MatrixKernels& kernels, int k) {
  const int step = kernels.values_per_word * kernels.words_at_once;
  return (k + step - 1) / step * kernels.words_at_once;
}

extern const VectorKernels kPortableVector;
extern const AttentionKernels kPortableAttentionFp32;
extern const MatrixKernels kPortableFp32;
extern const MatrixKernels kPortableWidenedBf16;
#if defined(__x86_64__)
extern const VectorKernels kAvx2Vector;
extern const AttentionKernels kAvx2AttentionFp32;
extern const MatrixKernels kAvx2Fp32;
extern const MatrixKernels kAvx2WidenedBf16;
extern const MatrixKernels kAvx2Int8;
extern const MatrixKernels kAvx2Int16;
extern const MatrixKernels kAvxVnniInt8;               ///< needs AVX-VNNI
extern const MatrixKernels kAvxVnniInt16;              ///< needs AVX-VNNI
extern const AttentionKernels kAvxVnniAttentionInt16;  ///< needs AVX-VNNI
extern const VectorKernels kAvx512Vector;
extern const AttentionKernels kAvx512AttentionFp32;
extern const MatrixKernels kAvx512Fp32;
extern const MatrixKernels kAvx512WidenedBf16;
extern const MatrixKernels kAvx512Int8;               ///< needs VNNI
extern const MatrixKernels kAvx512Int16;              ///< needs VNNI
extern const AttentionKernels kAvx512AttentionInt16;  ///< needs VNNI
extern const MatrixKernels kAvx512Bf16;               ///< needs BF16
extern const AttentionKernels kAvx512AttentionBf16;   ///< needs BF16
extern const MatrixKernels kAmxBf16;                  ///< needs AMX and BF16
extern const MatrixKernels kAmxInt8;                  ///< needs AMX and VNNI
extern const AttentionKernels kAmxAttentionBf16;      ///< needs AMX and BF16
#elif defined(__aarch64__)
extern const VectorKernels kNeonVector;
extern const AttentionKernels kNeonAttentionFp32;
extern const MatrixKernels kNeonFp32;
extern const MatrixKernels kNeonWidenedBf16;
extern const MatrixKernels kNeonInt8;              ///< needs dot products
extern const MatrixKernels kNeonI8mm;              ///< int8; needs I8MM
extern const MatrixKernels kNeonBf16;              ///< needs BF16
extern const AttentionKernels kNeonAttentionBf16;  ///< needs BF16
#endif

}  // namespace mlxe::cpu
