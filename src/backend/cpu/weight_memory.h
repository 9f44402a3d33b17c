// WeightMemory: where packed weights lie; ParallelFor: who packs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace mlxe::cpu {

/// Memory for packed weights: big chunks in huge pages where the system has them, freed when the last weight goes.
class WeightMemory {
 public:
  struct Block {
    std::int32_t* data = nullptr;
    std::shared_ptr<const void> chunk;  // shared by the weights that lie in it
  };
  /// \returns words of four bytes, aligned to 64, not initialised
  [[nodiscard]] Block allocate(std::size_t num_words);

 private:
  std::shared_ptr<void> chunk_;
  std::size_t used_ = 0;
  std::size_t size_ = 0;
};

/// Calls f(i) for i in [0, count), in any order and on any threads.
using ParallelFor = std::function<void(std::size_t count, const std::function<void(std::size_t i)>& f)>;

}  // namespace mlxe::cpu
