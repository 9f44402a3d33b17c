// The CPU backend: our own kernels, chosen for the instruction set found at run time.
#include "backend/cpu/cpu_backend.h"

#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/worker_pool.h"
#include "base/available_threads.h"
#include "mlxe/error.h"

namespace mlxe::cpu {
namespace {

// The activations of a micro-batch go through the L2 cache, and its weights come from further away. Texts a second on
// Zen 4 (1 MB of L2) over those of 256 tokens, the best of 5 turns, MiniLM's sentences, fp32 / bf16 / int8:
//    96  1.02  1.04  1.03
//   128  1.03  1.04  1.04  (BERT-base's shape: 1.00 at fp32, 1.04 at int8)
//   176  1.02  1.01  1.00
//   384  0.98  0.97  0.94
// Quantised weights are expanded for every micro-batch anew: at 128 tokens 4 bits would lose 3 %.
constexpr std::size_t kBatchTokens = 128;
constexpr std::size_t kBatchTokensOfQuantized = 256;
// Tiles are multiplied whole: a micro-batch of 113 tokens, which is what 128 become on average, takes as long as one of
// 128. With AMX the products of MiniLM's sentences take 0.88 to 0.89 of the time at 192 tokens and 0.77 to 0.94 at 256,
// where attention takes 1.03 to 1.18 times as long, as its queries and keys leave the L2 cache.
constexpr std::size_t kBatchTokensOfTiles = 192;

/// The matrix kernels for a precision, and why those.
struct PrecisionChoice {
  const MatrixKernels* kernels;
  std::string reason;
};

const MatrixKernels& existing(const MatrixKernels* kernels, std::string_view precision, const KernelTable& table) {
  if (kernels == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("precision {} has no kernels for the instruction set '{}', wanted fp32 or bf16", precision,
                            table.name));
  }
  return *kernels;
}

PrecisionChoice choose_precision(const KernelTable& table, CpuPrecision precision) {
  // What the CPU could do says nothing where MLXE_CPU_ISA forces a lesser set.
  const std::string who = &table == &available_kernels().front()
                              ? "this CPU"
                              : fmt::format("the instruction set '{}', which MLXE_CPU_ISA forces,", table.name);
  switch (precision) {
    case CpuPrecision::kFp32: return {table.fp32, "asked for"};
    case CpuPrecision::kBf16:
      return {table.bf16, table.bf16_is_widened ? fmt::format("asked for; {} does not multiply bf16 in hardware: it "
                                                              "saves memory if the checkpoint is float32, but no time",
                                                              who)
                                                : "asked for"};
    case CpuPrecision::kInt16: return {&existing(table.int16, "int16", table), "asked for"};
    case CpuPrecision::kInt8: return {&existing(table.int8, "int8", table), "asked for"};
    case CpuPrecision::kAuto: break;
  }
  if (table.automatic == table.fp32) {
    return {table.fp32, fmt::format("auto: {} has dot products of neither bf16 nor int16", who)};
  }
  return {table.automatic,
          fmt::format("auto: {} has {} products of {}", who, table.automatic->rows_at_once > 1 ? "matrix" : "dot",
                      table.automatic->precision)};
}

/// For weights that lose too much; only int8 has them. int16 is nearer to float32 than bf16, but tiles of bf16 are
/// several times as fast.
const MatrixKernels* choose_spare(const KernelTable& table, const MatrixKernels* precision) {
  if (precision != table.int8 || precision == nullptr) {
    return nullptr;
  }
  return table.int16 != nullptr && table.bf16->rows_at_once == 1 ? table.int16 : table.bf16;
}

const AttentionKernels& choose_attention(const KernelTable& table, const MatrixKernels* precision) {
  const bool takes_bf16 = precision == table.bf16 || precision == table.int8;
  const bool takes_int16 = precision == table.int16 || precision == table.int8;
  if (takes_bf16 && table.attention_bf16 != nullptr) {
    return *table.attention_bf16;
  }
  return takes_int16 && table.attention_int16 != nullptr ? *table.attention_int16 : *table.attention_fp32;
}

class CpuBackend final : public Backend {
 public:
  CpuBackend(CpuPrecision precision, int threads)
      : kernels_(choose_kernels()),
        precision_(choose_precision(kernels_, precision)),
        spare_(choose_spare(kernels_, precision_.kernels)),
        attention_(choose_attention(kernels_, precision_.kernels)),
        pool_(threads) {}

  BackendInfo info() const override {
    std::string reason = precision_.reason;
    if (num_spared_ > 0) {
      reason += fmt::format("; {} of {} weights stay at {}, as int8 would lose over {:.1f} % of them", num_spared_,
                            num_weights_, spare_->precision, 100 * std::sqrt(kMostInt8Noise));
    }
    if (num_halves_ > 0) {
      reason +=
          fmt::format("; {} of {} weights stay at 16 bits, as the checkpoint has them, and are widened on the way",
                      num_halves_, num_weights_);
    }
    return {.device = "cpu",
            .instruction_set = kernels_.name,
            .precision = precision_.kernels->precision,
            .precision_reason = std::move(reason),
            .threads = pool_.size(),
            .batch_tokens = batch_tokens()};
  }
  LinearWeight linear_weight(std::span<const LinearPart> parts) override {
    const auto on_all_workers = [&](std::size_t count, const std::function<void(std::size_t)>& f) {
      pool_.run(count, [&](Team& /*team*/, Worker& /*worker*/, std::size_t i) { f(i); });
    };
    LinearWeight weight = pack_linear(*precision_.kernels, spare_, memory_, on_all_workers, parts);
    if (weight.storage != nullptr) {
      const auto& packed = static_cast<const PackedLinear&>(*weight.storage);
      if (next_of_last_ != nullptr) {
        *next_of_last_ = panels_of(packed, weight.in_features);
      }
      next_of_last_ = packed.next;
      ++num_weights_;
      num_spared_ += packed.kernels != precision_.kernels ? 1 : 0;
      num_halves_ += packed.has_halves ? 1 : 0;
      has_quantized_ = has_quantized_ || !packed.quantized.empty();
    }
    return weight;
  }
  EmbeddingTable embedding_table(const HostTensor& weight) override { return map_table(weight); }
  PositionTable position_table(const HostTensor& weight, int num_heads, Compared compared) override {
    return pack_positions(attention_, memory_, weight, num_heads, compared);
  }
  using Backend::norm_weight;
  NormWeight norm_weight(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset) override {
    return copy_norm(weight, bias, scale_offset);
  }
  ConvWeight conv_weight(const HostTensor& weight, const std::optional<HostTensor>& bias) override {
    return copy_conv(weight, bias);
  }
  void run(std::size_t num_tasks, const std::function<void(Ops&, std::size_t)>& task) override {
    pool_.run(num_tasks, [&](Team& team, Worker& worker, std::size_t index) {
      CpuOps ops(*kernels_.vector, attention_, team, worker.arena);
      task(ops, index);
    });
  }

 private:
  std::size_t batch_tokens() const {
    const bool has_tiles = precision_.kernels->rows_at_once > 1;
    return has_quantized_ ? kBatchTokensOfQuantized : has_tiles ? kBatchTokensOfTiles : kBatchTokens;
  }

  const KernelTable& kernels_;
  const PrecisionChoice precision_;
  const MatrixKernels* const spare_;
  const AttentionKernels& attention_;
  WeightMemory memory_;
  std::shared_ptr<NextPanels> next_of_last_;  // of the weight that was packed last
  int num_weights_ = 0;
  int num_spared_ = 0;
  int num_halves_ = 0;
  bool has_quantized_ = false;
  WorkerPool pool_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  return std::make_unique<CpuBackend>(options.precision, options.threads > 0 ? options.threads : available_threads());
}

}  // namespace mlxe::cpu
