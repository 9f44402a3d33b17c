// Tests of results that only one product reads: whatever form they take, that product has the bits it has of floats.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/instruction_set.h"
#include "backend_cpu/forced_isa.h"
#include "support/ops_fixture.h"
#include "support/quantized_tensors.h"

namespace mlxe::testing {
namespace {

constexpr int kIn = 96;
constexpr int kInner = 160;  // whole panels of no instruction set but those that are 32 wide; whole groups of codes
constexpr int kOut = 70;

struct Layers {
  LinearWeight up;    // kIn to kInner
  LinearWeight both;  // kIn to 2 kInner
  LinearWeight down;  // kInner to kOut
};

constexpr Gate kGate = {.activation = Activation::kSilu, .limit = 0.7F, .up_offset = 0.5F};

/// Inner values of some rows, read by Layers::down.
using Inner = Tensor (*)(Ops& ops, const Tensor& x, const Layers& layers);

std::vector<float> read_rows(Backend& backend, const Layers& layers, int rows, Inner inner) {
  const EmbeddingTable table = backend.embedding_table(host_tensor(noise(rows, kIn, 4)));
  std::vector<std::int32_t> ids;
  for (int row = 0; row < rows; ++row) {
    ids.push_back(row);
  }
  std::vector<float> out(static_cast<std::size_t>(rows) * kOut);
  backend.run(1, [&](Ops& ops, std::size_t /*task*/) {
    const Tensor x = ops.gather_sum(std::array{Lookup{&table, ids}});
    ops.read(ops.linear(inner(ops, x, layers), layers.down), out);
  });
  return out;
}

void expect_same_bits(Backend& backend, const Layers& layers, const std::string& what) {
  for (const int rows : {1, 15, 33, 200}) {  // the last is shared out by rows
    EXPECT_EQ(read_rows(backend, layers, rows,
                        [](Ops& ops, const Tensor& x, const Layers& all) {
                          return ops.linear_for(all.down, x, all.up, Activation::kRelu);
                        }),
              read_rows(backend, layers, rows,
                        [](Ops& ops, const Tensor& x, const Layers& all) {
                          return ops.linear(x, all.up, Activation::kRelu);
                        }))
        << what << ", " << rows << " rows";
    EXPECT_EQ(
        read_rows(backend, layers, rows,
                  [](Ops& ops, const Tensor& x, const Layers& all) {
                    return ops.gated_linear_for(all.down, x, all.both, kGate);
                  }),
        read_rows(backend, layers, rows,
                  [](Ops& ops, const Tensor& x, const Layers& all) { return ops.gated_linear(x, all.both, kGate); }))
        << what << ", gated, " << rows << " rows";
  }
}

/// A weight and its bias.
LinearPart part(HostTensor weight, unsigned seed) {
  const int out = weight.shape[0];
  return {std::move(weight), host_tensor({out}, noise(1, out, seed).values)};
}

TEST(CpuLinearFor, GivesTheReaderTheBitsOfFloats) {
  const QuantizationFormat codes = {.mode = QuantizationMode::kAffine, .bits = 4, .group_size = 32};
  cpu::for_each_precision([&](cpu::CpuPrecision precision, const std::string& what) {
    for (const int threads : {1, 3}) {
      const std::unique_ptr<Backend> backend = cpu::make_cpu_backend({.precision = precision, .threads = threads});
      const auto weight = [&](HostTensor rows, unsigned seed) {
        return backend->linear_weight(std::array{part(std::move(rows), seed)});
      };
      const Layers plain = {.up = weight(host_tensor(noise(kInner, kIn, 1, 0.2F)), 11),
                            .both = weight(host_tensor(noise(2 * kInner, kIn, 2, 0.2F)), 12),
                            .down = weight(host_tensor(noise(kOut, kInner, 3, 0.2F)), 13)};
      expect_same_bits(*backend, plain, what);
      // Quantised ones are expanded panel by panel; at int8 they are not, and one of either kind differs in kernels.
      const Layers quantized = {.up = weight(quantized_tensor(codes, kInner, kIn, DType::kFloat32, 5), 14),
                                .both = weight(quantized_tensor(codes, 2 * kInner, kIn, DType::kFloat32, 6), 15),
                                .down = plain.down};
      expect_same_bits(*backend, quantized, what + ", quantised");
    }
  });
}

/// What a product with ones on the diagonal writes for its reader, [-10, 10] in bf16.
void expect_gelu_in_words(const cpu::KernelTable& isa) {
  const cpu::MatrixKernels& kernels = *isa.bf16;
  ASSERT_TRUE(kernels.writes_words) << isa.name;
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  const auto k_words = static_cast<std::size_t>(cpu::num_words(kernels, kernels.panel_width));
  std::vector<float> ones(width * width);
  for (std::size_t i = 0; i < width; ++i) {
    ones[i * width + i] = 1.0F;
  }
  std::vector<std::int32_t> panel(k_words * width);
  kernels.pack_panel(ones.data(), kernels.panel_width, kernels.panel_width, panel.data(), nullptr, nullptr);
  constexpr std::size_t kCount = 200;
  std::vector<float> x(kCount * width);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto step = static_cast<float>(i) / static_cast<float>(x.size() - 1);
    x[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(20.0F * step - 10.0F) & 0xFFFF0000U);
  }
  std::vector<std::int32_t> words(kCount * k_words);
  kernels.prepare_rows(x.data(), kernels.panel_width, kCount, kernels.panel_width, words.data(),
                       static_cast<std::ptrdiff_t>(k_words), nullptr, nullptr);
  for (const auto& [activation, exact] :
       {std::pair<Activation, double (*)(double)>(
            Activation::kGeluErf, [](double v) { return 0.5 * v * (1 + std::erf(v / std::sqrt(2.0))); }),
        std::pair<Activation, double (*)(double)>(Activation::kGeluTanh, [](double v) {
          return 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
        })}) {
    std::vector<std::uint16_t> out(x.size());
    cpu::GemmArgs args;
    args.a = words.data();
    args.lda = static_cast<std::ptrdiff_t>(k_words);
    args.b = panel.data();
    args.k_words = static_cast<int>(k_words);
    args.c_words = reinterpret_cast<std::int32_t*>(out.data());
    args.ldc = static_cast<std::ptrdiff_t>(width) / 2;
    args.rows = kCount;
    args.n = kernels.panel_width;
    args.panel_end = 1;
    args.activation = activation;
    kernels.gemm(args);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double value = std::bit_cast<float>(static_cast<std::uint32_t>(out[i]) << 16U);
      const double wanted = exact(x[i]);
      // Rounding to bf16 takes 2^-8 of the value at most, the polynomial is off by 6e-5 |x|.
      ASSERT_NEAR(value, wanted, 0x1p-8 * std::abs(wanted) + 6e-5 * std::abs(x[i])) << isa.name << ", " << x[i];
    }
  }
}

TEST(CpuLinearFor, WritesGeluAsExactlyAsBf16) {
  for (const cpu::KernelTable& isa : cpu::available_kernels()) {
    expect_gelu_in_words(isa);
  }
}

}  // namespace
}  // namespace mlxe::testing
