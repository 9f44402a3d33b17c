// Multiply-adds with the vectors that every CPU of this architecture has.
#include "kernels/peak.h"
#include "kernels/peak/chains.h"

namespace mlxe::bench {

double multiply_add_portable(long iterations, float* sink) {
  typedef float Vector __attribute__((vector_size(16)));
  const Vector factor = {0.999F, 0.998F, 0.997F, 0.996F};
  const auto start = [](int i) { return Vector{static_cast<float>(i), 0.0F, 0.0F, 0.0F}; };
  // A chain waits 8 cycles for its multiply and add; 8 chains fill two units, and half of 16 registers.
  return run_chains<8>(iterations, sink, 4, start, [=](Vector sum) { return sum * factor + factor; });
}

}  // namespace mlxe::bench
