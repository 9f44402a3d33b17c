// Pooling of one text's tokens, in plain loops: it is a thousandth of a forward pass.
#pragma once

#include <cstddef>

#include "tensor/ops.h"

namespace mlxe::cpu {

/// \param tokens  [length, columns], row stride ld
/// \param first   tokens before it take no part; kCls takes this one, or token 0 if there is none
/// \param out     [columns]; zeros if no token takes part
void pool_text(PoolingMode mode, const float* tokens, std::ptrdiff_t ld, int length, int first, int columns,
               float* out);

}  // namespace mlxe::cpu
