// bf16 and int8 matrix products with AMX: in an instruction 256 times the products of AVX-512's, in sixteen cycles.
// No standard library in here: an inline function compiled with this folder's flags could be linked into code
// that runs on a lesser CPU.
#include "backend/cpu/amx/gemm.h"
#include "backend/cpu/amx/products.h"
#include "backend/cpu/avx512/integers.h"
#include "backend/cpu/generic/bf16.h"
#include "backend/cpu/generic/int8.h"

namespace mlxe::cpu {
namespace {

/// amx::gemm multiplies whole tiles of rows.
constexpr MatrixKernels by_tiles(MatrixKernels kernels) {
  kernels.rows_at_once = amx::kTileRows;
  return kernels;
}

}  // namespace

constinit const MatrixKernels kAmxBf16 = by_tiles(
    generic::bf16_matrix_kernels<amx::Bf16Product, avx512::I32, amx::kBlockRows, 2, amx::gemm<amx::Bf16Product>>());
constinit const MatrixKernels kAmxInt8 =
    by_tiles(generic::int8_matrix_kernels<amx::Int8Product, amx::kBlockRows, 2, amx::gemm<amx::Int8Product>>());

}  // namespace mlxe::cpu
