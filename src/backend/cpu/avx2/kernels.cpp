// The kernels of this instruction set: the shared templates at its vector type and tile sizes.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx2/simd.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {

using V = avx2::F32;

constinit const MatrixKernels kAvx2Fp32 = generic::fp32_matrix_kernels<V, 6, 2>();
constinit const AttentionKernels kAvx2AttentionFp32 = generic::attention_kernels<generic::Fp32Product<V>, 6, 2>();
constinit const VectorKernels kAvx2Vector = generic::vector_kernels<V>();

}  // namespace mlxe::cpu
