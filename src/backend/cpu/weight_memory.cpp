// Chunks of memory for packed weights.
#include "backend/cpu/weight_memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace mlxe::cpu {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kChunkBytes = std::size_t{32} << 20;
constexpr std::size_t kAlignWords = 16;

}  // namespace

WeightMemory::Block WeightMemory::allocate(std::size_t num_words) {
  const std::size_t bytes = (num_words + kAlignWords - 1) / kAlignWords * kAlignWords * sizeof(std::int32_t);
  if (chunk_ == nullptr || size_ - used_ < bytes) {
    size_ = std::max(kChunkBytes, (bytes + kHugePage - 1) / kHugePage * kHugePage);
    used_ = 0;
    void* memory = std::aligned_alloc(kHugePage, size_);
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
#if defined(__linux__)
    // Panels are read end to end for every micro-batch: 4 KB pages would cost a TLB miss every 64 cache lines.
    madvise(memory, size_, MADV_HUGEPAGE);
#endif
    chunk_ = std::shared_ptr<void>(memory, std::free);
  }
  Block block{reinterpret_cast<std::int32_t*>(static_cast<std::byte*>(chunk_.get()) + used_), chunk_};
  used_ += bytes;
  return block;
}

}  // namespace mlxe::cpu
