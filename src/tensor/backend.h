// Backend: packs weights at load and runs micro-batches on its workers; made by the engine only.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace mlxe {

struct BackendInfo {
  std::string device;            ///< "cpu", "mlx (cpu)", "mlx (gpu)"
  std::string instruction_set;   ///< "avx512", "avx2", "portable"; empty where it has no meaning
  std::string precision;         ///< "fp32"
  std::string precision_reason;  ///< why that one
  int threads = 1;
  std::size_t batch_tokens = 512;  ///< tokens of a micro-batch that suit its caches
};

/// One slice of a linear layer: several are stacked along the output (q, k and v in one product).
struct LinearPart {
  HostTensor weight;               ///< [out, in]
  std::optional<HostTensor> bias;  ///< [out]
};

/// What a position table is compared with.
enum class Compared { kQueries, kKeys };

/// Weights are packed from one thread at load; run() may then be called from many threads at once.
class Backend {
 public:
  virtual ~Backend() = default;

  [[nodiscard]] virtual BackendInfo info() const = 0;

  /// \param parts  equal `in`; outputs are stacked in order; float32, float16 or bfloat16
  [[nodiscard]] virtual LinearWeight linear_weight(std::span<const LinearPart> parts) = 0;
  [[nodiscard]] virtual EmbeddingTable embedding_table(const HostTensor& weight) = 0;  ///< [rows, columns]
  /// \param weight  [buckets, num_heads * head_dim], float32
  [[nodiscard]] virtual PositionTable position_table(const HostTensor& weight, int num_heads, Compared compared) = 0;
  /// \param weight, bias   each [size]
  /// \param scale_offset   added to the weight (Gemma's norms store w for a scale of 1 + w)
  [[nodiscard]] virtual NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias,
                                               float scale_offset) = 0;
  [[nodiscard]] NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) {
    return norm_weight(weight, bias, 0.0F);
  }
  /// \param weight  [channels, 1, taps] or [channels, taps]
  /// \param bias    [channels]
  [[nodiscard]] virtual ConvWeight conv_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) = 0;

  /// Calls task(ops, i) for i in [0, num_tasks), several at once on different workers where there are some.
  /// With fewer tasks than workers the workers share the work inside each operation.
  /// Returns when all are done; the first exception stops further tasks and is rethrown.
  virtual void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) = 0;
};

}  // namespace mlxe
