// Checks of operations' arguments, shared by the backends: each throws Error{kInvalidInput} naming the operation.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/ops.h"

namespace mlxe {

template <class... Args>
void check(bool good, fmt::format_string<Args...> message, Args&&... args) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, fmt::format(message, std::forward<Args>(args)...));
  }
}

// One for each operation that has anything to check, with its arguments.
void check_gather_sum(std::span<const Lookup> lookups);
void check_linear(const Tensor& x, const LinearWeight& weight, const Tensor& residual);
void check_gated_linear(const LinearWeight& weight, const Gate& gate);
void check_layer_norm(const Tensor& x, const NormWeight& norm);
void check_rms_norm(const Tensor& x, const NormWeight& norm);
void check_columns(const Tensor& x, int begin, int count);
void check_rope(const Tensor& x, const Tensor& table, int head_dim);
void check_short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding);
/// Two tensors of an element-wise operation.
void check_same_shape(const char* op, const Tensor& a, const Tensor& b);
void check_take_rows(const Tensor& x, std::span<const std::int32_t> rows);
void check_add_rows(const Tensor& base, const Tensor& x, std::span<const std::int32_t> rows,
                    std::span<const float> factors);
void check_pool(const Tensor& x, const PackedBatch& batch, std::span<const std::int32_t> first_token);
void check_concat_columns(std::span<const Tensor> parts);
void check_read(const Tensor& x, std::span<float> out);

/// All that AttentionSpec, the batch and the three tensors say of each other.
void check_attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                     const AttentionSpec& spec, const TokenChoice& wanted);

}  // namespace mlxe
