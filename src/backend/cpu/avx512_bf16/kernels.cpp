// bf16 matrix products with AVX-512 BF16: pairs multiplied and summed into float32.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/integers.h"
#include "backend/cpu/avx512_bf16/products.h"
#include "backend/cpu/generic/bf16.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {

using avx512_bf16::Bf16Product;

constinit const MatrixKernels kAvx512Bf16 = generic::bf16_matrix_kernels<Bf16Product, avx512::I32, 8, 3>();
constinit const AttentionKernels kAvx512AttentionBf16 =
    generic::attention_kernels<Bf16Product, Bf16Product, 12, 2, 4>();

}  // namespace mlxe::cpu
