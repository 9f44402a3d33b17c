// Linear layers of a decoder through the backend, plain and quantised, with weights that come from memory.
#include "kernels/kernels.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backend/cpu/cpu_backend.h"
#include "base/half.h"
#include "tensor/quantization.h"

namespace mlxe::bench {
namespace {

/// Of Qwen3-Embedding-0.6B.
struct Shape2 {
  int n;
  int k;
};
constexpr Shape2 kShapes[] = {{1024, 1024}, {3072, 1024}, {1024, 3072}};

// More than any last-level cache of today's cores: a decoder's weights pass by once for each micro-batch.
constexpr std::size_t kWorkingSet = std::size_t{64} << 20;

constexpr int kHalves = 16;  // in place of the bits of codes: bfloat16

HostTensor owned(DType dtype, Shape shape, std::vector<std::uint32_t> words) {
  auto owner = std::make_shared<std::vector<std::uint32_t>>(std::move(words));
  return {dtype, std::move(shape), reinterpret_cast<const std::byte*>(owner->data()), owner};
}

HostTensor random_tensor(Shape shape, float spread) {
  std::mt19937 random(1);
  std::vector<std::uint32_t> words(num_elements(shape));
  for (std::uint32_t& word : words) {
    word = std::bit_cast<std::uint32_t>(spread * (static_cast<float>(random() % 2001) / 1000.0F - 1.0F));
  }
  return owned(DType::kFloat32, std::move(shape), std::move(words));
}

HostTensor random_halves(int n, int k) {
  std::mt19937 random(1);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n) * static_cast<std::size_t>(k) / 2);
  const auto half = [&] { return float_to_bfloat16(0.05F * (static_cast<float>(random() % 2001) / 1000.0F - 1.0F)); };
  for (std::uint32_t& word : words) {
    const std::uint32_t low = half();
    word = low | static_cast<std::uint32_t>(half()) << 16U;
  }
  return owned(DType::kBFloat16, {n, k}, std::move(words));
}

/// Affine codes under bfloat16 scales, as most published checkpoints have them.
HostTensor random_codes(int n, int k, int bits) {
  std::mt19937 random(1);
  auto quantization = std::make_shared<Quantization>();
  quantization->format = {QuantizationMode::kAffine, bits, 64};
  std::vector<std::uint32_t> words(static_cast<std::size_t>(n) * row_words(quantization->format, k));
  for (std::uint32_t& word : words) {
    word = static_cast<std::uint32_t>(random());
  }
  HostTensor codes = owned(DType::kUInt32, {n, k}, std::move(words));
  const std::uint32_t scale = float_to_bfloat16(0.01F);
  const Shape groups = {n, k / 64};
  quantization->scales = owned(DType::kBFloat16, groups, std::vector(num_elements(groups), scale | (scale << 16U)));
  quantization->biases = quantization->scales;
  codes.quantization = quantization;
  return codes;
}

/// Copies of one layer on one thread, enough of them to fill the working set.
struct Layers {
  std::string key;
  std::unique_ptr<Backend> backend;
  std::vector<LinearWeight> weights;
};

/// Bytes that a product reads of a weight: the codes where they are kept, else panels of words.
std::size_t weight_bytes(const cpu::MatrixKernels& kernels, const HostTensor& weight) {
  if (weight.quantization != nullptr && kernels.values_per_word != 4) {
    return data_bytes(weight) + 2 * data_bytes(weight.quantization->scales);  // biases are of the scales' size
  }
  if (weight.dtype == DType::kBFloat16 && kernels.values_per_word == 1) {
    return data_bytes(weight);
  }
  return num_elements(weight.shape) * sizeof(std::int32_t) / static_cast<std::size_t>(kernels.values_per_word);
}

Layers& layers(cpu::CpuPrecision precision, const cpu::MatrixKernels& kernels, int bits, const Shape2& shape) {
  static Layers made;  // of the last benchmark: those of one layer follow each other
  const std::string key = fmt::format("{} {} {} {}", static_cast<int>(precision), bits, shape.n, shape.k);
  if (made.key != key) {
    made = {.key = key, .backend = cpu::make_cpu_backend({.precision = precision, .threads = 1}), .weights = {}};
    const HostTensor weight = bits == 0         ? random_tensor({shape.n, shape.k}, 0.05F)
                              : bits == kHalves ? random_halves(shape.n, shape.k)
                                                : random_codes(shape.n, shape.k, bits);
    for (std::size_t size = 0; size < kWorkingSet; size += weight_bytes(kernels, weight)) {
      made.weights.push_back(made.backend->linear_weight(std::array{LinearPart{weight, std::nullopt}}));
    }
  }
  return made;
}

void linear(benchmark::State& state, cpu::CpuPrecision precision, const cpu::MatrixKernels& kernels, int bits,
            const Shape2& shape, int rows) {
  Layers& all = layers(precision, kernels, bits, shape);
  const EmbeddingTable table = all.backend->embedding_table(random_tensor({rows, shape.k}, 1.0F));
  std::vector<std::int32_t> ids;
  for (int row = 0; row < rows; ++row) {
    ids.push_back(row);
  }
  all.backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
    const Tensor x = ops.gather_sum(std::array{Lookup{&table, ids}});
    std::size_t next = 0;
    for (auto _ : state) {
      benchmark::DoNotOptimize(ops.linear(x, all.weights[next++ % all.weights.size()]));
    }
  });
  state.counters[kOperationsCounter] = benchmark::Counter(
      2.0 * rows * shape.n * shape.k * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

}  // namespace

void register_linear_layers(const cpu::KernelTable& table) {
  for (const auto& [precision, kernels] :
       {std::pair(cpu::CpuPrecision::kFp32, table.fp32), std::pair(cpu::CpuPrecision::kBf16, table.bf16),
        std::pair(cpu::CpuPrecision::kInt16, table.int16), std::pair(cpu::CpuPrecision::kInt8, table.int8)}) {
    if (kernels == nullptr) {
      continue;
    }
    for (const Shape2& shape : kShapes) {
      for (const int bits : {0, kHalves, 4, 8}) {
        if (bits == kHalves && kernels != table.fp32) {
          continue;  // words of another kind are made of them at load
        }
        const std::string kept = bits == 0 ? "plain" : bits == kHalves ? "bf16_weights" : fmt::format("q{}", bits);
        for (const int rows : {1, 12, 64, 256}) {
          benchmark::RegisterBenchmark(
              fmt::format("linear/{}/{}/{}x{}/{}", kernels->precision, kept, shape.n, shape.k, rows).c_str(),
              [precision = precision, kernels = kernels, bits, shape, rows](benchmark::State& state) {
                linear(state, precision, *kernels, bits, shape, rows);
              });
        }
      }
    }
  }
}

}  // namespace mlxe::bench
