// Multiply-adds of AMX: tiles of 16 x 16 sums, of 32 bf16 or 64 int8 products each.
#include "kernels/peak.h"

#include <cstdint>

namespace mlxe::bench {
namespace {

/// \param multiply  multiply() does four products of whole tiles
template <class F>
double run_tiles(long iterations, int products, const F& multiply) {
  struct alignas(64) {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } shapes;
  asm volatile("ldtilecfg %0" : : "m"(shapes));  // all tiles are zero then
  const long rounds = iterations / 16;           // each takes far longer than a vector's instruction
  for (long i = 0; i < rounds; ++i) {
    multiply();
  }
  asm volatile("tilerelease" : :);
  return 4.0 * 2.0 * 16 * 16 * products * static_cast<double>(rounds);
}

}  // namespace

double multiply_add_amx_bf16(long iterations, float* /*sink*/) {
  return run_tiles(iterations, 32, [] {
    asm volatile(
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\ttdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm5, %%tmm3"
        :
        :);
  });
}

double multiply_add_amx_int8(long iterations, float* /*sink*/) {
  return run_tiles(iterations, 64, [] {
    asm volatile(
        "tdpbusd %%tmm6, %%tmm4, %%tmm0\n\ttdpbusd %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbusd %%tmm6, %%tmm5, %%tmm2\n\ttdpbusd %%tmm7, %%tmm5, %%tmm3"
        :
        :);
  });
}

}  // namespace mlxe::bench
