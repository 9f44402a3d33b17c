// Ops: the coarse operations that a model is written in; each backend implements them.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
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

/// The relative positions of a layer, laid out for attention.
struct PositionTable {
  int buckets = 0;
  int columns = 0;                               // num_heads * head_dim
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

/// Scale and optional shift of a layer norm or RMS norm.
struct NormWeight {
  int size = 0;
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

/// Weight and optional bias of a depthwise convolution along the tokens of a row.
struct ConvWeight {
  int channels = 0;
  int taps = 0;
  std::shared_ptr<const WeightStorage> storage;  // shared by the copies of this handle
};

/// kQuickGelu is x sigmoid(1.702 x).
enum class Activation { kNone, kGeluErf, kGeluTanh, kRelu, kSilu, kTanh, kSigmoid, kQuickGelu };

/// How the halves [g | u] of a gated layer become one: activation(min(g, limit)) * (clamp(u, -limit, limit) +
/// up_offset).
struct Gate {
  Activation activation = Activation::kSilu;
  float limit = std::numeric_limits<float>::infinity();  ///< > 0
  float up_offset = 0.0F;
};

/// One table and the ids to look up in it.
struct Lookup {
  const EmbeddingTable* table = nullptr;
  std::span<const std::int32_t> ids;  ///< [total_tokens], each in [0, table->rows)
};

/// Added to the scores, by how far the key stands behind the query (T5-like biases, ALiBi).
struct DistanceBias {
  int max_distance = 0;  ///< distances beyond it count as it
  std::vector<float>
      values;  ///< [num_heads, 2 * max_distance + 1]; entry d + max_distance of a head is for key - query = d
};

/// Relative positions that contents are compared with (DeBERTa): query i and key j of head h get
/// q_i . keys[b, h] + k_j . queries[b, h], b = bucket of the distance i - j. Heads of queries and keys are as many.
struct RelativePositions {
  const PositionTable* keys = nullptr;           ///< for Compared::kQueries, scaled; or null; owned by the model
  const PositionTable* queries = nullptr;        ///< for Compared::kKeys, likewise
  int max_distance = 0;                          ///< distances beyond it count as it
  std::vector<std::int32_t> bucket_of_distance;  ///< [2 * max_distance + 1], each the one before or the next; entry d +
                                                 ///< max_distance: i - j = d
};

/// Who attends to whom inside one row of a packed batch, and with what score:
/// scale q.k + distance bias + what relative positions give. Tokens from PackedBatch::key_lengths on are never attended
/// to. A token that may attend to none gets zeros.
struct AttentionSpec {
  static constexpr int kUnlimited = std::numeric_limits<int>::max();

  int num_heads = 0;
  int num_kv_heads = 0;  ///< divides num_heads
  int head_dim = 0;
  float scale = 1.0F;                           ///< multiplies q.k; > 0
  int left_window = kUnlimited;                 ///< token i attends to tokens from i - left_window on
  int right_window = kUnlimited;                ///< and up to i + right_window; 0: causal
  const DistanceBias* distance_bias = nullptr;  ///< or null; owned by the model
  const RelativePositions* relative = nullptr;  ///< or null; owned by the caller
  const std::vector<float>* sinks = nullptr;    ///< [num_heads] or null: a score that takes its share of the softmax
};

/// Which two values of a head turn together.
enum class RopePairs {
  kHalves,      ///< i and i + n, of the 2 n first ones ("rotate_half")
  kNeighbours,  ///< 2 i and 2 i + 1 (GPT-J, "interleaved")
};

enum class ConvPadding {
  kCausal,     ///< a token sees itself and taps - 1 tokens before it
  kSymmetric,  ///< a token sees (taps - 1) / 2 tokens on either side; taps are odd
};

enum class PoolingMode { kCls, kMax, kMean, kMeanSqrtLen, kWeightedMean, kLastToken };

/// The operations. One object belongs to one worker: calls on it come from one thread at a time.
/// All activations are float32 [rows, columns]; statistics are accumulated in float32.
/// Every function throws Error{kInvalidInput} if shapes do not fit.
class Ops {
 public:
  virtual ~Ops() = default;

  /// Called now and then in the midst of operations, by the thread that calls them, where the backend computes at once;
  /// what it throws comes out of the operation, whose result is lost. For micro-batches that take long.
  virtual void set_checkpoint(std::function<void()> /*checkpoint*/) {}

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

  /// The halves of x W^T + b joined as `gate` says; the first half is the one that is activated.
  /// \param x  [rows, weight.in_features]
  /// \returns [rows, weight.out_features / 2]
  [[nodiscard]] virtual Tensor gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) = 0;

  /// As linear and gated_linear, where nothing but linear() with `reader` will read the result: a backend may leave it
  /// in the form that this product wants, which no other operation takes.
  [[nodiscard]] virtual Tensor linear_for(const LinearWeight& /*reader*/, const Tensor& x, const LinearWeight& weight,
                                          Activation activation) {
    return linear(x, weight, activation, Tensor());
  }
  [[nodiscard]] virtual Tensor gated_linear_for(const LinearWeight& /*reader*/, const Tensor& x,
                                                const LinearWeight& weight, const Gate& gate) {
    return gated_linear(x, weight, gate);
  }

  /// (x - mean) / sqrt(variance + eps) * scale + shift, over each row; variance is the biased one.
  [[nodiscard]] virtual Tensor layer_norm(const Tensor& x, const NormWeight& norm, float eps) = 0;

  /// x / sqrt(mean(x^2) + eps) * scale, over each group of norm.size columns (one group per head, or the whole row).
  [[nodiscard]] virtual Tensor rms_norm(const Tensor& x, const NormWeight& norm, float eps) = 0;

  /// Columns [begin, begin + count) of x, without a copy where the backend can.
  [[nodiscard]] virtual Tensor columns(const Tensor& x, int begin, int count) = 0;

  /// Cosines and sines for rope(): entry i of token t turns by positions[t] * inverse_frequencies[i].
  /// Angles are products in float32, as in transformers.
  /// \param scale  multiplies both (YaRN's attention factor)
  /// \returns [positions.size(), 2 * inverse_frequencies.size()]: cosines, then sines
  [[nodiscard]] virtual Tensor rotary_table(std::span<const std::int32_t> positions,
                                            std::span<const float> inverse_frequencies, float scale) = 0;

  /// Turns the first table.columns() values of each head; the others stay.
  /// \param x      [tokens, heads * head_dim]
  /// \param table  [tokens, rotary size], from rotary_table(); rotary size <= head_dim
  [[nodiscard]] virtual Tensor rope(const Tensor& x, const Tensor& table, int head_dim, RopePairs pairs) = 0;

  /// softmax(scores) v for each row of the batch and each head; see AttentionSpec.
  /// \param q        [total_tokens, num_heads * head_dim]
  /// \param k, v     [total_tokens, num_kv_heads * head_dim]
  /// \param wanted   tokens that ask; the others are keys only
  /// \returns        [wanted tokens, num_heads * head_dim]
  [[nodiscard]] virtual Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                                         const AttentionSpec& spec, const TokenChoice& wanted) = 0;
  [[nodiscard]] Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                                 const AttentionSpec& spec) {
    return attention(q, k, v, batch, spec, std::nullopt);
  }

  /// Each channel's own convolution along the tokens of a row; beyond the row's ends, and from PackedBatch::key_lengths
  /// on, there are zeros.
  /// \param x  [total_tokens, weight.channels]
  [[nodiscard]] virtual Tensor short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch,
                                          ConvPadding padding) = 0;

  [[nodiscard]] virtual Tensor add(const Tensor& a, const Tensor& b) = 0;       ///< of equal shape
  [[nodiscard]] virtual Tensor multiply(const Tensor& a, const Tensor& b) = 0;  ///< of equal shape, element by element
  [[nodiscard]] virtual Tensor scale(const Tensor& x, float factor) = 0;

  /// \returns [rows.size(), x.columns()]: the given rows of x, in that order; a row may come more than once
  [[nodiscard]] virtual Tensor take_rows(const Tensor& x, std::span<const std::int32_t> rows) = 0;

  /// `base` with factors[i] * x[i] added to row rows[i]; no row comes twice. A base that the caller gives up (moves
  /// here, its only copy) need not be copied.
  /// \param x  [rows.size(), base.columns()]
  [[nodiscard]] virtual Tensor add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                                        std::span<const float> factors) = 0;

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
