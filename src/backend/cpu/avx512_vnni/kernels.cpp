// int8 and int16 matrix products with VNNI: four or two products summed into 32 bits, exactly.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/avx512/integers.h"
#include "backend/cpu/avx512_vnni/products.h"
#include "backend/cpu/generic/int16.h"
#include "backend/cpu/generic/int8.h"

namespace mlxe::cpu {

constinit const MatrixKernels kAvx512Int8 = generic::int8_matrix_kernels<avx512_vnni::Int8Product, 8, 3>();
constinit const MatrixKernels kAvx512Int16 =
    generic::int16_matrix_kernels<avx512_vnni::Int16Product, avx512::I32, 8, 3>();

}  // namespace mlxe::cpu
