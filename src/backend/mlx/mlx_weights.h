// Weights of the MLX backend: float32 arrays, or what is quantised as it is.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <mlx/mlx.h>

#include "tensor/backend.h"
#include "tensor/quantization.h"

namespace mlxe::mlx_backend {

namespace mx = mlx::core;

/// Codes and scales as the checkpoint has them.
struct MlxQuantized {
  QuantizationFormat format;
  mx::array words;                  // [rows, words of a row], uint32
  mx::array scales;                 // [rows, groups]
  std::optional<mx::array> biases;  // likewise
};

struct MlxLinear final : WeightStorage {
  std::optional<mx::array> weight;      // [in, out], a transposed view of the checkpoint's; or
  std::vector<MlxQuantized> quantized;  // one below the other: [out, in]
  std::optional<mx::array> bias;        // [out]
};

struct MlxTable final : WeightStorage {
  std::optional<mx::array> weight;  // [rows, columns], or
  std::optional<MlxQuantized> quantized;
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

/// x W^T + b
[[nodiscard]] mx::array product(const mx::array& x, const MlxLinear& linear, mx::Stream stream);
/// Rows of a table as float32.
[[nodiscard]] mx::array look_up(const MlxTable& table, const mx::array& ids, mx::Stream stream);

// Each as in tensor/backend.h: no data gives an empty handle, wrong shapes and types throw.
[[nodiscard]] LinearWeight make_linear(std::span<const LinearPart> parts, mx::Stream stream);
[[nodiscard]] EmbeddingTable make_table(const HostTensor& weight, mx::Stream stream);
[[nodiscard]] NormWeight make_norm(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset,
                                   mx::Stream stream);
[[nodiscard]] ConvWeight make_conv(const HostTensor& weight, const std::optional<HostTensor>& bias, mx::Stream stream);

}  // namespace mlxe::mlx_backend
