// CpuTensor: rows of floats in a worker's arena, and scratch memory beside them.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "backend/cpu/arena.h"
#include "backend/cpu/kernel_table.h"
#include "tensor/check.h"
#include "tensor/ops.h"

namespace mlxe::cpu {

/// Rows in an arena block, or columns of another tensor.
struct CpuTensor final : TensorStorage {
  CpuTensor(Arena& arena, std::size_t num_floats) : arena_(&arena), num_floats_(num_floats) {
    data = arena.allocate(num_floats);
  }
  CpuTensor(std::shared_ptr<const void> parent, float* first, std::ptrdiff_t stride)
      : data(first), ld(stride), parent_(std::move(parent)) {}
  ~CpuTensor() override {
    if (arena_ != nullptr) {
      arena_->release(data, num_floats_);
    }
  }
  CpuTensor(const CpuTensor&) = delete;
  CpuTensor& operator=(const CpuTensor&) = delete;

  /// Not if they are a part of something else, and then nothing may write to them.
  [[nodiscard]] bool owns_rows() const { return arena_ != nullptr; }

  float* data = nullptr;
  std::ptrdiff_t ld = 0;
  /// Or null; then the rows are words as these kernels prepare them, for CpuOps::linear and nothing else.
  const MatrixKernels* words_of = nullptr;

 private:
  Arena* arena_ = nullptr;
  std::size_t num_floats_ = 0;
  std::shared_ptr<const void> parent_;  // what this is a part of
};

inline CpuTensor& cpu(const Tensor& tensor) {
  return static_cast<CpuTensor&>(*tensor.storage());
}

/// Floats of one team member's block, aligned; freed at the end of the operation.
class Scratch {
 public:
  Scratch(Arena& arena, std::size_t floats_per_member, int members)
      : arena_(arena),
        per_member_((floats_per_member + 15) / 16 * 16),
        total_(per_member_ * static_cast<std::size_t>(members)),
        data_(arena.allocate(total_)) {}
  ~Scratch() { arena_.release(data_, total_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] float* of(int member) const { return data_ + per_member_ * static_cast<std::size_t>(member); }

 private:
  Arena& arena_;
  std::size_t per_member_;
  std::size_t total_;
  float* data_;
};

/// Row stride of `words` words: rows a multiple of 4 KB apart would share one cache set; one line more spreads them.
inline std::ptrdiff_t spread(int words) {
  return words % 1024 == 0 ? words + 16 : words;
}

}  // namespace mlxe::cpu
