// MlxOps: the operations recorded as an MLX graph, which read() evaluates.
#pragma once

#include <optional>
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
  Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) override;
  Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) override;
  Tensor rms_norm(const Tensor& x, const NormWeight& norm, float eps) override;
  Tensor columns(const Tensor& x, int begin, int count) override;
  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                   const AttentionSpec& spec, const TokenChoice& wanted) override;
  Tensor rotary_table(std::span<const std::int32_t> positions, std::span<const float> inverse_frequencies,
                      float scale) override;
  Tensor rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs pairs) override;
  Tensor short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  Tensor multiply(const Tensor& a, const Tensor& b) override;
  Tensor scale(const Tensor& x, float factor) override;
  Tensor take_rows(const Tensor& x, std::span<const std::int32_t> rows) override;
  Tensor add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                  std::span<const float> factors) override;
  Tensor pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
              std::span<const std::int32_t> first_token) override;
  Tensor concat_columns(std::span<const Tensor> parts) override;
  Tensor l2_normalize(const Tensor& x) override;
  void read(const Tensor& x, std::span<float> out) override;

 private:
  [[nodiscard]] mx::array activate(const mx::array& x, Activation activation) const;
  [[nodiscard]] mx::array rows_of(const mx::array& x, int begin, int end) const;
  /// Row of a batch by MLX's own attention; nothing where it cannot serve.
  [[nodiscard]] std::optional<mx::array> attend_row(const mx::array& q, const mx::array& k, const mx::array& v,
                                                    int keys, const AttentionSpec& spec) const;
  /// The same for any spec, for row `row` of the batch; it holds several arrays of [num_heads, length, keys].
  [[nodiscard]] mx::array attend_row_by_hand(const mx::array& q, const mx::array& k, const mx::array& v,
                                             const PackedBatch& batch, std::size_t row,
                                             const AttentionSpec& spec) const;
  /// What AttentionSpec adds to the scores of a row: [num_heads, length, keys], or 0.
  [[nodiscard]] mx::array biases(const mx::array& q, const mx::array& k, const AttentionSpec& spec) const;
  // Made on the device: on the host they would be loops over length * keys values for each layer.
  /// key - query: [length, keys], int32
  [[nodiscard]] mx::array distances(int length, int keys) const;
  /// Whether a query sees a key at such a distance.
  [[nodiscard]] mx::array visible(const mx::array& distance, const AttentionSpec& spec) const;
  /// The place of a distance in a table of those from -largest to largest; those beyond count as these.
  [[nodiscard]] mx::array bucket(const mx::array& distance, int largest) const;
  /// One vector [1, columns] from the tokens [first, end) of a text that begins at token `begin`.
  [[nodiscard]] mx::array pool_row(const mx::array& x, int begin, int first, int end, PoolingMode mode) const;
  /// Puts arrays [n, columns] below each other; none at all give [0, columns].
  [[nodiscard]] mx::array stack_rows(std::vector<mx::array> parts, int columns) const;

  mx::Stream stream_;
};

}  // namespace mlxe::mlx_backend
