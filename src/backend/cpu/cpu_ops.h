// CpuOps: the operations on one worker's arena, shared out over a team where it has more than one member.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "backend/cpu/arena.h"
#include "backend/cpu/kernel_table.h"
#include "backend/cpu/team.h"
#include "tensor/ops.h"

namespace mlxe::cpu {

struct PackedLinear;

class CpuOps final : public Ops {
 public:
  /// All must outlive the object and every tensor it makes.
  CpuOps(const VectorKernels& vector, const AttentionKernels& attention, Team& team, Arena& arena)
      : vector_(vector), attention_(attention), team_(team), arena_(arena) {}

  using Ops::linear;
  void set_checkpoint(std::function<void()> checkpoint) override { checkpoint_ = std::move(checkpoint); }
  Tensor gather_sum(std::span<const Lookup> lookups) override;
  Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) override;
  Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) override;
  Tensor linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                    Activation activation) override;
  Tensor gated_linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                          const Gate& gate) override;
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
  [[nodiscard]] Tensor make(int rows, int columns);
  /// Rows for `kernels` to read, with room for `words` of each.
  [[nodiscard]] Tensor make_words(const MatrixKernels& kernels, int rows, int columns, int words);
  /// Calls piece(i, member) for i in [0, count), those of member 0 after the checkpoint; where that throws, the rest is
  /// left out.
  void for_pieces(int count, const Team::Part& piece);
  /// Into how many pieces to cut `count` cheap things: some for each member, as one may be late; of few things one, as
  /// to take a piece costs as much as a thing or two, and a member finds in its own cache what it has written itself.
  [[nodiscard]] int num_pieces(int count) const;
  /// Calls rows(begin, end) for pieces of [0, num_rows).
  void for_rows(int num_rows, const std::function<void(int begin, int end)>& rows);

  /// Calls row_of(row, room) for each row, with room for `size` floats.
  void for_rows_with_room(int num_rows, int size, const std::function<void(int row, float* room)>& row_of);

  /// A new tensor, its rows filled by row_of(row, out).
  template <class F>
  [[nodiscard]] Tensor map_rows(int rows, int columns, const F& row_of);

  /// activation(x W^T + b) + residual, into a tensor that has room for it.
  void multiply(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual,
                const Tensor& result);
  /// The halves of rows [begin, end) joined.
  void join(const Tensor& halves, const Gate& gate, int begin, int end, float* out, std::ptrdiff_t ld);

  struct PreparedRows;
  void prepare(const MatrixKernels& kernels, const Tensor& x, const PreparedRows& rows);
  /// The product of all rows and panels, shared out over the team.
  void multiply_panels(const PackedLinear& weight, int k, const GemmArgs& args);
  void share_panels(const PackedLinear& weight, const GemmArgs& args,
                    const std::function<void(const GemmArgs& part, int member)>& multiply);

  const VectorKernels& vector_;
  const AttentionKernels& attention_;
  Team& team_;
  Arena& arena_;
  std::function<void()> checkpoint_;
};

}  // namespace mlxe::cpu
