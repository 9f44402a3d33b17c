// Arena: the activations of one worker; freed blocks are handed out again while they are still in its cache.
#pragma once

#include <cstddef>
#include <vector>

namespace mlxe::cpu {

/// Used by one worker at a time. Blocks are aligned to 64 bytes.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// \throws std::bad_alloc
  [[nodiscard]] float* allocate(std::size_t num_floats);
  void release(float* block, std::size_t num_floats) noexcept;

  /// Gives free blocks back to the system if they hold more than `keep_bytes` together.
  void trim(std::size_t keep_bytes) noexcept;

  [[nodiscard]] std::size_t free_bytes() const { return free_bytes_; }

 private:
  // Sizes are rounded up to four steps an octave, so that batches of nearly the same size share blocks.
  static constexpr std::size_t kNumBuckets = 4 * 48;
  static std::size_t bucket_of(std::size_t bytes);
  static std::size_t bytes_of(std::size_t bucket);

  std::vector<float*> free_[kNumBuckets];  // last freed first: the hottest
  std::size_t free_bytes_ = 0;
};

}  // namespace mlxe::cpu
