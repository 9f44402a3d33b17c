// The MLX backend: one stream of the best device that libmlx has; tasks run one after the other.
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>

#include <fmt/format.h>
#include <mlx/mlx.h>

#include "backend/mlx/mlx_module.h"
#include "backend/mlx/mlx_ops.h"
#include "backend/mlx/mlx_weights.h"
#include "mlxe/error.h"
#include "mlxe/version.h"

namespace mlxe::mlx_backend {
namespace {

// Enough to fill a GPU, and few enough that a graph of them stays small.
constexpr std::size_t kBatchTokens = 4096;

mx::Device best_device() {
  return mx::is_available(mx::Device(mx::Device::gpu)) ? mx::Device(mx::Device::gpu) : mx::Device(mx::Device::cpu);
}

// Its interface is C++: another release may have the same names and other layouts behind them.
void check_libmlx() {
  const std::string built_with = fmt::format("{}.{}.{}", MLX_VERSION_MAJOR, MLX_VERSION_MINOR, MLX_VERSION_PATCH);
  if (built_with != mx::version()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the mlx backend was built with libmlx {} and this is libmlx {}, wanted the same",
                            built_with, mx::version()));
  }
}

class MlxBackend final : public Backend {
 public:
  // A stream of our own that any thread may use (the mutex orders them): libmlx's default ones belong to threads.
  MlxBackend() : device_(best_device()), stream_(mx::new_thread_unsafe_stream(device_)) {}

  BackendInfo info() const override {
    return {.device = device_ == mx::Device::gpu ? "mlx (gpu)" : "mlx (cpu)",
            .instruction_set = "",
            .precision = "fp32",
            .precision_reason = "the mlx backend computes in float32",
            .threads = 1,
            .batch_tokens = kBatchTokens};
  }

  LinearWeight linear_weight(std::span<const LinearPart> parts) override { return make_linear(parts, stream_); }
  EmbeddingTable embedding_table(const HostTensor& weight) override { return make_table(weight, stream_); }
  PositionTable position_table(const HostTensor& weight, int /*num_heads*/, Compared /*compared*/) override {
    const EmbeddingTable table = make_table(weight, stream_);
    return {table.rows, table.columns, table.storage};
  }
  using Backend::norm_weight;
  NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset) override {
    return make_norm(weight, bias, scale_offset, stream_);
  }
  ConvWeight conv_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) override {
    return make_conv(weight, bias, stream_);
  }

  void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) override {
    const std::lock_guard lock(mutex_);
    MlxOps ops(stream_);
    for (std::size_t index = 0; index < num_tasks; ++index) {
      task(ops, index);
    }
  }

 private:
  mx::Device device_;
  mx::Stream stream_;
  std::mutex mutex_;
};

}  // namespace
}  // namespace mlxe::mlx_backend

extern "C" const char* mlxe_mlx_module_version() {
  return MLXE_VERSION;
}

extern "C" mlxe::Backend* mlxe_mlx_module_make() {
  mlxe::mlx_backend::check_libmlx();
  // libmlx multiplies float32 matrices in tf32 on CUDA unless told otherwise, which is not what "fp32" promises.
  // It reads the variable once, at its first product; a caller's own setting wins.
  setenv("MLX_ENABLE_TF32", "0", /*overwrite=*/0);
  try {
    return new mlxe::mlx_backend::MlxBackend();
  } catch (const std::exception& error) {
    throw mlxe::Error(mlxe::ErrorCode::kUnsupported, fmt::format("libmlx has no usable device: {}", error.what()));
  }
}
