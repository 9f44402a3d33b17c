// The kernels of this instruction set: the shared templates at its vector type and tile sizes.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/generic/tables.h"
#include "backend/cpu/generic/widened_bf16.h"
#include "backend/cpu/portable/integers.h"
#include "backend/cpu/portable/simd.h"

namespace mlxe::cpu {

using V = portable::F32;

constinit const MatrixKernels kPortableFp32 = generic::fp32_matrix_kernels<portable::I32, 4, 2>();
constinit const MatrixKernels kPortableWidenedBf16 =
    generic::bf16_matrix_kernels<generic::WidenedBf16<portable::I32>, portable::I32, 4, 1>();
constinit const AttentionKernels kPortableAttentionFp32 =
    generic::attention_kernels<generic::Fp32Product<V>, generic::Fp32Product<V>, 4, 2>();
constinit const VectorKernels kPortableVector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
