// The kernels of this instruction set: the shared templates at its vector type and tile size.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/kernel_table.h"

#include "backend/cpu/avx2/simd.h"
#include "backend/cpu/generic/attention.h"
#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/layer_norm.h"

namespace mlxe::cpu {
namespace {

using V = avx2::F32;
constexpr int kRows = 6;
constexpr int kVectors = 2;
constexpr int kPanel = kVectors * V::kWidth;
constexpr int kAttentionRows = 6;
constexpr int kAttentionVectors = 2;

}  // namespace

const MatrixKernels kAvx2Fp32 = {
    .precision = "fp32",
    .panel_width = kPanel,
    .values_per_word = 1,
    .gemm = generic::gemm<generic::Fp32Product<V>, kRows, kVectors>,
    .pack_panel = generic::pack_panel_fp32<kPanel>,
    .prepare_rows = nullptr,
};

const AttentionKernels kAvx2AttentionFp32 = {
    .attention = generic::attention<generic::Fp32Product<V>, kAttentionRows, kAttentionVectors>,
    .scratch_floats = generic::attention_scratch_floats<generic::Fp32Product<V>, kAttentionRows, kAttentionVectors>,
};

const VectorKernels kAvx2Vector = {
    .layer_norm = generic::layer_norm<V>,
    .activate = generic::activate_all<V>,
};

}  // namespace mlxe::cpu
