// Attention whose scores are int16 products with VNNI.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512_vnni/products.h"
#include "backend/cpu/generic/int16.h"
#include "backend/cpu/generic/tables.h"

namespace mlxe::cpu {

constinit const AttentionKernels kAvx512AttentionInt16 =
    generic::attention_kernels<generic::Int16Scores<avx512_vnni::Int16Product>, generic::Fp32Product<avx512::F32>, 12,
                               2, 4>();

}  // namespace mlxe::cpu
