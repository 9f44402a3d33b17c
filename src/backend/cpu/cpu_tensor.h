// CpuTensor: rows of floats in a worker's arena; and what the files of CpuOps share.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "backend/cpu/arena.h"
#include "mlxe/error.h"
#include "tensor/ops.h"

namespace mlxe::cpu {

/// Rows in an arena block, or some columns of another tensor's rows.
struct CpuTensor final : TensorStorage {
  CpuTensor(Arena& arena, std::size_t num_floats) : arena_(&arena), num_floats_(num_floats) {
    data = arena.allocate(num_floats);
  }
  CpuTensor(std::shared_ptr<TensorStorage> parent, float* first, std::ptrdiff_t stride)
      : data(first), ld(stride), parent_(std::move(parent)) {}
  ~CpuTensor() override {
    if (arena_ != nullptr) {
      arena_->release(data, num_floats_);
    }
  }
  CpuTensor(const CpuTensor&) = delete;
  CpuTensor& operator=(const CpuTensor&) = delete;

  float* data = nullptr;
  std::ptrdiff_t ld = 0;

 private:
  Arena* arena_ = nullptr;
  std::size_t num_floats_ = 0;
  std::shared_ptr<TensorStorage> parent_;  // shared with the tensor that this is a part of
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

template <class... Args>
void check(bool good, fmt::format_string<Args...> message, Args&&... args) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, fmt::format(message, std::forward<Args>(args)...));
  }
}

inline void check_batch(const char* op, const Tensor& x, const PackedBatch& batch) {
  check(batch.offsets.back() == x.rows(), "{}: the batch ends at token {}, the tensor has {} rows", op,
        batch.offsets.back(), x.rows());
}

inline void check_key_lengths(const char* op, const PackedBatch& batch) {
  check(batch.key_lengths.empty() || batch.key_lengths.size() + 1 == batch.offsets.size(),
        "{}: {} key lengths for {} rows", op, batch.key_lengths.size(), batch.num_rows());
  for (std::size_t row = 0; row < batch.key_lengths.size(); ++row) {
    const int length = batch.offsets[row + 1] - batch.offsets[row];
    check(batch.key_lengths[row] >= 0 && batch.key_lengths[row] <= length, "{}: key length {}, wanted 0 to {}", op,
          batch.key_lengths[row], length);
  }
}

inline void check_rows(const char* op, std::span<const std::int32_t> rows, int num_rows) {
  for (const std::int32_t row : rows) {
    check(row >= 0 && row < num_rows, "{}: row {}, wanted 0 to {}", op, row, num_rows - 1);
  }
}

/// Checks two tensors of an element-wise operation.
inline void check_same_shape(const char* op, const Tensor& a, const Tensor& b) {
  check(a.rows() == b.rows() && a.columns() == b.columns(), "{}: tensors are [{}, {}] and [{}, {}]", op, a.rows(),
        a.columns(), b.rows(), b.columns());
}

}  // namespace mlxe::cpu
