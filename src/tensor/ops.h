// Ops: the coarse operations that a model is written in; each backend implements them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/packed_batch.h"
#include "tensor/tensor.h"

namespace mlxe {

/// A backend's own form of a weight; each backend derives its own and casts back to it.
class WeightStorage {
 public:
  virtual ~WeightStorage() = default;
};

/// A linear layer's weight and bias, packed for the backend. Empty if a part had no data.
struct LinearWeight {
  int in_features = 0;
  int out_features = 0;
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

/// A table of vectors, one per id.
struct EmbeddingTable {
  int rows = 0;
  int columns = 0;
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

/// Scale and optional shift of a layer norm or RMS norm.
struct NormWeight {
  int size = 0;
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

enum class Activation { kNone, kGeluErf, kGeluTanh, kRelu, kSilu, kTanh, kSigmoid };

/// One table and the ids to look up in it.
struct Lookup {
  const EmbeddingTable* table = nullptr;
  std::span<const std::int32_t> ids;  ///< [total_tokens], each in [0, table->rows)
};

/// Who attends to whom inside one row of a packed batch.
struct AttentionSpec {
  int num_heads = 0;
  int num_kv_heads = 0;  ///< divides num_heads
  int head_dim = 0;
  float scale = 1.0F;  ///< multiplies q.k
};

enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };

/// The operations. One object belongs to one worker: calls on it come from one thread at a time.
/// All activations are float32 [rows, columns]; statistics are accumulated in float32.
/// Every function throws Error{kInvalidInput} if shapes do not fit.
class Ops {
 public:
  virtual ~Ops() = default;

  /// Sums one vector of each table per token.
  /// \returns [total_tokens, columns]
  [[nodiscard]] virtual Tensor gather_sum(std::span<const Lookup> lookups) = 0;

  /// activation(x W^T + b) + residual
  /// \param x         [rows, weight.in_features]
  /// \param residual  empty, or [rows, weight.out_features]
  /// \returns [rows, weight.out_features]
  [[nodiscard]] virtual Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation,
                                      const Tensor& residual) = 0;
  [[nodiscard]] Tensor linear(const Tensor& x, const LinearWeight& weight, Activation activation = Activation::kNone) {
    return linear(x, weight, activation, Tensor());
  }

  /// (x - mean) / sqrt(variance + eps) * scale + shift, over each row; variance is the biased one.
  [[nodiscard]] virtual Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) = 0;

  /// Columns [begin, begin + count) of x, without a copy where the backend can.
  [[nodiscard]] virtual Tensor columns(const Tensor& x, int begin, int count) = 0;

  /// softmax(scale q k^T) v for each row of the batch and each head.
  /// \param q        [total_tokens, num_heads * head_dim]
  /// \param k, v     [total_tokens, num_kv_heads * head_dim]
  /// \returns        [total_tokens, num_heads * head_dim]
  [[nodiscard]] virtual Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                                         const AttentionSpec& spec) = 0;

  /// One vector per row of the batch, from the row's tokens [first_token[r], end).
  /// kCls takes token first_token[r], or the row's very first one if none is left. kWeightedMean weights a token by its
  /// place in the whole row, counted from 1.
  /// Source: the Pooling module of sentence-transformers. A row without tokens gives zeros.
  /// \param first_token  [batch.num_rows()], or empty for 0
  /// \returns [batch.num_rows(), x.columns()]
  [[nodiscard]] virtual Tensor pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
                                    std::span<const std::int32_t> first_token) = 0;

  /// Puts tensors of equal row count side by side.
  [[nodiscard]] virtual Tensor concat_columns(std::span<const Tensor> parts) = 0;

  /// x / max(|x|, 1e-12) for each row, norms in float32. Source: torch.nn.functional.normalize
  [[nodiscard]] virtual Tensor l2_normalize(const Tensor& x) = 0;

  /// Finishes all pending work and copies out, row-major.
  /// \param out  [x.rows() * x.columns()]
  virtual void read(const Tensor& x, std::span<float> out) = 0;
};

}  // namespace mlxe
