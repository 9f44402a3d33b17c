// The CPU backend: our own kernels, chosen for the instruction set found at run time.
#include "backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include "backend/cpu/available_threads.h"
#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/worker_pool.h"
#include "mlxe/error.h"

namespace mlxe::cpu {
namespace {

// Activations of 256 MiniLM tokens fill a 1 MB L2 cache; smaller batches read the weights too often.
constexpr std::size_t kBatchTokens = 256;
constexpr int kMaxThreads = 1024;

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : kernels_(choose_kernels()), pool_(threads) {}

  BackendInfo info() const override {
    return {.device = "cpu",
            .instruction_set = kernels_.name,
            .precision = "fp32",
            .precision_reason = "",
            .threads = pool_.size(),
            .batch_tokens = kBatchTokens};
  }
  LinearWeight linear_weight(std::span<const LinearPart> parts) override {
    return pack_linear(kernels_, memory_, parts);
  }
  EmbeddingTable embedding_table(const HostTensor& weight) override { return map_table(weight); }
  NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) override {
    return copy_norm(weight, bias);
  }
  void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) override {
    pool_.run(num_tasks, [&](Team& team, Worker& worker, std::size_t index) {
      CpuOps ops(kernels_, team, worker.arena);
      task(ops, index);
    });
  }

 private:
  const KernelTable& kernels_;
  WeightMemory memory_;
  WorkerPool pool_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  if (options.threads < 0 || options.threads > kMaxThreads) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("threads is {}, wanted 0 (automatic) to {}", options.threads, kMaxThreads));
  }
  return std::make_unique<CpuBackend>(options.threads > 0 ? options.threads : available_threads());
}

}  // namespace mlxe::cpu
