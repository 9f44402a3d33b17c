// Floats at 64-byte boundaries, as the kernels ask for, filled with random values.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>

namespace mlxe::bench {

class AlignedFloats {
 public:
  explicit AlignedFloats(std::size_t count) {
    const std::size_t bytes = (count * sizeof(float) / 64 + 1) * 64;
    floats_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!floats_) {
      throw std::bad_alloc();
    }
  }
  [[nodiscard]] float* data() { return floats_.get(); }
  [[nodiscard]] const float* data() const { return floats_.get(); }

 private:
  struct Free {
    void operator()(float* block) const { std::free(block); }
  };
  std::unique_ptr<float, Free> floats_;
};

/// The same values on every run.
inline AlignedFloats random_floats(std::size_t count, float deviation) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0F, deviation);
  AlignedFloats floats(count);
  for (std::size_t i = 0; i < count; ++i) {
    floats.data()[i] = normal(engine);
  }
  return floats;
}

}  // namespace mlxe::bench
