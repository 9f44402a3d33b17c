// The kernels of this instruction set: the shared templates at its vector type and tile sizes.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/integers.h"
#include "backend/cpu/avx512/simd.h"
#include "backend/cpu/generic/tables.h"
#include "backend/cpu/generic/widened_bf16.h"

namespace mlxe::cpu {

using V = avx512::F32;

constinit const MatrixKernels kAvx512Fp32 = generic::fp32_matrix_kernels<avx512::I32, 8, 3>();
constinit const MatrixKernels kAvx512WidenedBf16 =
    generic::bf16_matrix_kernels<generic::WidenedBf16<avx512::I32>, avx512::I32, 8, 3>();
constinit const AttentionKernels kAvx512AttentionFp32 =
    generic::attention_kernels<generic::Fp32Product<V>, generic::Fp32Product<V>, 12, 2, 4>();
constinit const VectorKernels kAvx512Vector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
