// MlxOps: the operations recorded as an MLX graph, which read() evaluates.
#pragma once

#include <span>

#include <mlx/mlx.h>

#include "tensor/ops.h"

namespace mlxe::mlx_backend {

namespace mx = mlx::core;

class MlxOps final : public Ops {
 public:
  explicit MlxOps(mx::Stream stream) : stream_(stream) {}

  using Ops::linear;
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
  [[nodiscard]] mx::array activate(const mx::array& x, Activation activation) const;
  [[nodiscard]] mx::array rows_of(const mx::array& x, int begin, int end) const;
  [[nodiscard]] mx::array attend_row(const mx::array& q, const mx::array& k, const mx::array& v,
                                     const AttentionSpec& spec) const;
  /// One vector [1, columns] from the tokens [first, end) of a text that begins at token `begin`.
  [[nodiscard]] mx::array pool_row(const mx::array& x, int begin, int first, int end, PoolingMode mode) const;
  /// Puts arrays [n, columns] below each other; none at all give [0, columns].
  [[nodiscard]] mx::array stack_rows(std::vector<mx::array> parts, int columns) const;

  mx::Stream stream_;
};

}  // namespace mlxe::mlx_backend
