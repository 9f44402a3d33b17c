// Arena: the activations of one worker; freed blocks are handed out again while they are still in its cache.
#include "backend/cpu/arena.h"

#include <bit>
#include <cstdlib>
#include <new>

namespace mlxe::cpu {
namespace {
constexpr std::size_t kAlignment = 64;
constexpr int kSmallestShift = 10;  // 1 KB
}  // namespace

std::size_t Arena::bucket_of(std::size_t bytes) {
  std::size_t bucket = 0;
  while (bytes_of(bucket) < bytes) {
    // Jump close first: the octave of `bytes`, then at most a few steps.
    const int octave = static_cast<int>(std::bit_width(bytes)) - 1 - kSmallestShift;
    const std::size_t jump = octave > 0 ? 4 * static_cast<std::size_t>(octave) : 0;
    bucket = bucket < jump ? jump : bucket + 1;
    if (bucket >= kNumBuckets) {
      throw std::bad_alloc();
    }
  }
  return bucket;
}

std::size_t Arena::bytes_of(std::size_t bucket) {
  return (4 + bucket % 4) << (kSmallestShift - 2 + bucket / 4);
}

Arena::~Arena() {
  trim(0);
}

float* Arena::allocate(std::size_t num_floats) {
  const std::size_t bucket = bucket_of(num_floats * sizeof(float));
  std::vector<float*>& free = free_[bucket];
  if (!free.empty()) {
    float* block = free.back();
    free.pop_back();
    free_bytes_ -= bytes_of(bucket);
    return block;
  }
  void* block = std::aligned_alloc(kAlignment, bytes_of(bucket));
  if (block == nullptr) {
    throw std::bad_alloc();
  }
  // Room for every block of this size to come back: release() cannot fail then.
  free.reserve(free.capacity() + 1);
  return static_cast<float*>(block);
}

void Arena::release(float* block, std::size_t num_floats) noexcept {
  const std::size_t bucket = bucket_of(num_floats * sizeof(float));
  free_[bucket].push_back(block);
  free_bytes_ += bytes_of(bucket);
}

void Arena::trim(std::size_t keep_bytes) noexcept {
  if (free_bytes_ <= keep_bytes) {
    return;
  }
  for (std::vector<float*>& blocks : free_) {
    for (float* block : blocks) {
      std::free(block);
    }
    blocks.clear();
  }
  free_bytes_ = 0;
}

}  // namespace mlxe::cpu
