// Linear weights of 16 bits at fp32: panels of what the checkpoint has.
#pragma once

#include <cstddef>
#include <span>

#include "backend/cpu/kernel_table.h"
#include "backend/cpu/weight_memory.h"
#include "tensor/backend.h"

namespace mlxe::cpu {

/// The product that reads panels of what all parts hold; null if that is not one type of 16 bits, or `kernels` have
/// none.
[[nodiscard]] auto gemm_of_halves(const MatrixKernels& kernels, std::span<const LinearPart> parts)
    -> void (*)(const GemmArgs&);

/// Words of four bytes from one panel of k rows to the next.
[[nodiscard]] std::ptrdiff_t half_panel_words(const MatrixKernels& kernels, int k);

/// \param parts   of 16 bits, k features each
/// \param panels  written: num_panels that the product reads, zeros beyond the last column
void pack_halves(const MatrixKernels& kernels, std::span<const LinearPart> parts, int k, int num_panels,
                 const ParallelFor& parallel_for, std::int32_t* panels);

}  // namespace mlxe::cpu
