// The kernels of this instruction set: the shared templates at its vector type and tile size.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/kernel_table.h"

#include "backend/cpu/generic/attention.h"
#include "backend/cpu/generic/gemm.h"
#include "backend/cpu/generic/layer_norm.h"
#include "backend/cpu/portable/simd.h"

namespace mlxe::cpu {
namespace {

using V = portable::F32;
constexpr int kRows = 4;
constexpr int kVectors = 2;
constexpr int kPanel = kVectors * V::kWidth;
constexpr int kAttentionRows = 4;
constexpr int kAttentionVectors = 2;

}  // namespace

const MatrixKernels kPortableFp32 = {
    .precision = "fp32",
    .panel_width = kPanel,
    .values_per_word = 1,
    .gemm = generic::gemm<generic::Fp32Product<V>, kRows, kVectors>,
    .pack_panel = generic::pack_panel_fp32<kPanel>,
    .prepare_rows = nullptr,
};

const AttentionKernels kPortableAttentionFp32 = {
    .attention = generic::attention<generic::Fp32Product<V>, kAttentionRows, kAttentionVectors>,
    .scratch_floats = generic::attention_scratch_floats<generic::Fp32Product<V>, kAttentionRows, kAttentionVectors>,
};

const VectorKernels kPortableVector = {
    .layer_norm = generic::layer_norm<V>,
    .activate = generic::activate_all<V>,
};

}  // namespace mlxe::cpu
