// Weights of the MLX backend: float32 arrays.
#pragma once

#include <optional>
#include <span>

#include <mlx/mlx.h>

#include "tensor/backend.h"

namespace mlxe::mlx_backend {

namespace mx = mlx::core;

struct MlxLinear final : WeightStorage {
  MlxLinear(mx::array w, std::optional<mx::array> b) : weight(std::move(w)), bias(std::move(b)) {}
  mx::array weight;               // [in, out], a transposed view of the checkpoint's
  std::optional<mx::array> bias;  // [out]
};

struct MlxTable final : WeightStorage {
  explicit MlxTable(mx::array w) : weight(std::move(w)) {}
  mx::array weight;  // [rows, columns]
};

struct MlxNorm final : WeightStorage {
  MlxNorm(mx::array s, std::optional<mx::array> b) : scale(std::move(s)), shift(std::move(b)) {}
  mx::array scale;                 // [size]
  std::optional<mx::array> shift;  // [size]
};

struct MlxConv final : WeightStorage {
  MlxConv(mx::array t, std::optional<mx::array> b) : taps(std::move(t)), bias(std::move(b)) {}
  mx::array taps;                 // [taps, channels]
  std::optional<mx::array> bias;  // [channels]
};

// Each as in tensor/backend.h: no data gives an empty handle, wrong shapes and types throw.
[[nodiscard]] LinearWeight make_linear(std::span<const LinearPart> parts, mx::Stream stream);
[[nodiscard]] EmbeddingTable make_table(const HostTensor& weight, mx::Stream stream);
[[nodiscard]] NormWeight make_norm(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset,
                                   mx::Stream stream);
[[nodiscard]] ConvWeight make_conv(const HostTensor& weight, const std::optional<HostTensor>& bias, mx::Stream stream);

}  // namespace mlxe::mlx_backend
