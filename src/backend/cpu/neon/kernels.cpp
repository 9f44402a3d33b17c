// The kernels of this instruction set: the shared templates at its vector type and tile sizes.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/generic/tables.h"
#include "backend/cpu/generic/widened_bf16.h"
#include "backend/cpu/neon/integers.h"
#include "backend/cpu/neon/simd.h"

namespace mlxe::cpu {

using V = neon::F32;

// 24 sums of 32 registers; attention's panels of 8 divide the head sizes, those of 12 would not.
constinit const MatrixKernels kNeonFp32 = generic::fp32_matrix_kernels<neon::I32, 8, 3>();
constinit const MatrixKernels kNeonWidenedBf16 =
    generic::bf16_matrix_kernels<generic::WidenedBf16<neon::I32>, neon::I32, 8, 2>();
constinit const AttentionKernels kNeonAttentionFp32 =
    generic::attention_kernels<generic::Fp32Product<V>, generic::Fp32Product<V>, 8, 2>();
constinit const VectorKernels kNeonVector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
