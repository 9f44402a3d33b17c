// A row of activations as the matrix kernels of a precision read it.
#pragma once

#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu {

/// Rotates x[k] where that is the kernels' way, and converts it to words.
/// \param kernels  which have prepare_rows
/// \param room     for packed_features(kernels, k) floats
/// \param words, scale, offset  written, as MatrixKernels::prepare_rows says of a row
inline void prepare_row(const MatrixKernels& kernels, const float* x, int k, float* room, void* words, float* scale,
                        float* offset) {
  const int size = packed_features(kernels, k);
  if (kernels.rotate_row != nullptr) {
    kernels.rotate_row(x, k, 1.0F / kRotated, room);
    x = room;
  }
  kernels.prepare_rows(x, size, 1, size, words, 0, scale, offset);
}

}  // namespace mlxe::cpu
