// Loops that compilers turn into vector code.
#include "tensor/widen.h"

#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "base/half.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

template <float kWiden(std::uint16_t)>
void widen_halves(const std::byte* source, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, source + i * sizeof(bits), sizeof(bits));
    out[i] = kWiden(bits);
  }
}

}  // namespace

void to_float32(DType dtype, const std::byte* source, std::size_t count, float* out) {
  switch (dtype) {
    case DType::kFloat32: std::memcpy(out, source, count * sizeof(float)); return;
    case DType::kFloat16: widen_halves<float16_to_float>(source, count, out); return;
    case DType::kBFloat16: widen_halves<bfloat16_to_float>(source, count, out); return;
    default:
      throw Error(ErrorCode::kInternal,
                  fmt::format("values of dtype {} are no floating-point numbers", to_string(dtype)));
  }
}

}  // namespace mlxe
