// CpuOps: the operations on one worker's arena, shared out over a team where it has more than one member.
#pragma once

#include <functional>
#include <span>

#include "backend/cpu/arena.h"
#include "backend/cpu/kernel_table.h"
#include "backend/cpu/team.h"
#include "tensor/ops.h"

namespace mlxe::cpu {

class CpuOps final : public Ops {
 public:
  /// All must outlive the object and every tensor it makes.
  CpuOps(const VectorKernels& vector, const AttentionKernels& attention, Team& team, Arena& arena)
      : vector_(vector), attention_(attention), team_(team), arena_(arena) {}

  Tensor gather_sum(std::span<const Lookup> lookups) override;
  Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) override;
  Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) override;
  Tensor columns(const Tensor& x, int begin, int count) override;
  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                   const AttentionSpec& spec) override;
  Tensor pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
              std::span<const std::int32_t> first_token) override;
  Tensor concat_columns(std::span<const Tensor> parts) override;
  Tensor l2_normalize(const Tensor& x) override;
  void read(const Tensor& x, std::span<float> out) override;

 private:
  [[nodiscard]] Tensor make(int rows, int columns);
  /// Calls rows(begin, end) for pieces of [0, num_rows).
  void for_rows(int num_rows, const std::function<void(int begin, int end)>& rows);

  /// The product of all rows and panels, shared out over the team.
  void multiply(const MatrixKernels& kernels, const GemmArgs& args, int num_panels);

  const VectorKernels& vector_;
  const AttentionKernels& attention_;
  Team& team_;
  Arena& arena_;
};

}  // namespace mlxe::cpu
