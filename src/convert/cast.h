// Casting blocks of floating-point elements, in loops that a compiler vectorises.
#pragma once

#include <cstddef>

#include "tensor/dtype.h"

namespace mlxe {

/// Elements as float32; exact.
/// \param source  `count` elements of a floating-point type, at any byte
void widen(DType dtype, const std::byte* source, std::size_t count, float* out);

/// Float32 rounded to nearest, ties to even.
/// \param out  `count` elements of type `dtype`, at any byte
/// \returns how many finite elements became infinite
std::size_t narrow(const float* source, std::size_t count, DType dtype, std::byte* out);

/// Elements of one floating-point type as those of another.
/// \returns how many finite elements became infinite
std::size_t cast(DType from, const std::byte* source, std::size_t count, DType to, std::byte* out);

}  // namespace mlxe
