// Tests of each instruction set's kernels: error bounds of the functions against libm, and equal bits for a row
// whatever rows stand beside it.
#include "backend/cpu/kernel_table.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/instruction_set.h"

namespace mlxe::cpu {
namespace {

class Kernels : public ::testing::TestWithParam<KernelTable> {
 protected:
  const VectorKernels& vector() const { return *GetParam().vector; }
  const MatrixKernels& fp32() const { return *GetParam().fp32; }
};
INSTANTIATE_TEST_SUITE_P(Isa, Kernels, ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()),
                         [](const auto& isa) { return std::string(isa.param.name); });

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(generator);
  }
  return values;
}

/// Largest error of an activation over [-20, 20], as a share of max(1, |x|): what a hidden state can notice.
double worst_error(const VectorKernels& kernels, Activation activation, double (*exact)(double)) {
  std::vector<float> x;
  for (int i = -200'000; i <= 200'000; ++i) {
    x.push_back(static_cast<float>(i) * 1e-4F);
  }
  std::vector<float> y = x;
  kernels.activate(activation, y.data(), y.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    worst = std::max(worst, std::abs(y[i] - exact(x[i])) / std::max(1.0, std::abs(static_cast<double>(x[i]))));
  }
  return worst;
}

// Bounds: the stated errors of exp (3e-7), erf (4e-7), sigmoid (3e-7) and tanh (5e-7) with one rounding on top.
TEST_P(Kernels, GeluErfMatchesLibm) {
  EXPECT_LT(worst_error(vector(), Activation::kGeluErf,
                        [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }),
            3e-7);
}
TEST_P(Kernels, GeluTanhMatchesLibm) {
  EXPECT_LT(
      worst_error(vector(), Activation::kGeluTanh,
                  [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }),
      4e-7);
}
TEST_P(Kernels, TanhMatchesLibm) {
  EXPECT_LT(worst_error(vector(), Activation::kTanh, [](double x) { return std::tanh(x); }), 5e-7);
}
TEST_P(Kernels, SigmoidMatchesLibm) {
  EXPECT_LT(worst_error(vector(), Activation::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }), 3e-7);
}
TEST_P(Kernels, SiluMatchesLibm) {
  EXPECT_LT(worst_error(vector(), Activation::kSilu, [](double x) { return x / (1 + std::exp(-x)); }), 3e-7);
}
TEST_P(Kernels, ReluIsExact) {
  EXPECT_EQ(worst_error(vector(), Activation::kRelu, [](double x) { return std::max(x, 0.0); }), 0.0);
}

TEST_P(Kernels, ActivationsStayFiniteAtTheEndsOfFloat) {
  for (const Activation activation : {Activation::kGeluErf, Activation::kGeluTanh, Activation::kTanh,
                                      Activation::kSigmoid, Activation::kSilu, Activation::kRelu}) {
    std::vector<float> x = {-1e30F, -1e5F, -100.0F, -0.0F, 0.0F, 1e-38F, 100.0F, 1e5F, 1e12F};
    vector().activate(activation, x.data(), x.size());
    for (const float value : x) {
      EXPECT_TRUE(std::isfinite(value)) << static_cast<int>(activation);
    }
  }
}

/// c = a b^T by the kernel, for rows [first, first + rows) of a.
std::vector<float> product(const MatrixKernels& kernels, const std::vector<float>& a, const std::vector<float>& panels,
                           int first, int rows, int n, int k, Activation activation) {
  std::vector<float> c(static_cast<std::size_t>(rows) * static_cast<std::size_t>(n));
  GemmArgs args;
  args.a = a.data() + static_cast<std::ptrdiff_t>(first) * k;
  args.lda = k;
  args.b = panels.data();
  args.c = c.data();
  args.ldc = n;
  args.rows = rows;
  args.n = n;
  args.k_words = k;
  args.panel_end = (n + kernels.panel_width - 1) / kernels.panel_width;
  args.activation = activation;
  kernels.gemm(args);
  return c;
}

TEST_P(Kernels, GemmGivesARowTheSameBitsInAnyBatch) {
  constexpr int kN = 100;
  constexpr int kK = 333;
  constexpr int kRows = 50;
  const std::vector<float> a = noise(static_cast<std::size_t>(kRows) * kK, 1);
  const std::vector<float> w = noise(static_cast<std::size_t>(kN) * kK, 2);
  const int width = fp32().panel_width;
  const int num_panels = (kN + width - 1) / width;
  std::vector<float> panels(static_cast<std::size_t>(num_panels) * static_cast<std::size_t>(width) * kK);
  for (int p = 0; p < num_panels; ++p) {
    fp32().pack_panel(w.data() + static_cast<std::ptrdiff_t>(p) * width * kK, std::min(width, kN - p * width), kK,
                      panels.data() + static_cast<std::ptrdiff_t>(p) * width * kK, nullptr, nullptr);
  }
  const std::vector<float> whole = product(fp32(), a, panels, 0, kRows, kN, kK, Activation::kGeluErf);
  for (int rows = 1; rows <= 17; ++rows) {
    for (const int first : {0, 3, 31}) {
      const std::vector<float> part = product(fp32(), a, panels, first, rows, kN, kK, Activation::kGeluErf);
      ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(first) * kN))
          << rows << " rows from " << first;
    }
  }
}

TEST_P(Kernels, AttentionKeepsItsDigitsAcrossKeyBlocks) {
  // 1,300 tokens are three key blocks; the plain softmax in double is the judge.
  constexpr int kLength = 1300;
  constexpr int kDim = 24;
  const std::vector<float> q = noise(kLength * kDim, 3);
  const std::vector<float> k = noise(kLength * kDim, 4);
  const std::vector<float> v = noise(kLength * kDim, 5);
  std::vector<float> out(kLength * kDim);
  std::vector<float> scratch(vector().attention_scratch_floats(kLength, kDim, 1) + 16);
  AttentionArgs args;
  args.q = q.data();
  args.k = k.data();
  args.v = v.data();
  args.out = out.data();
  args.ldq = args.ldk = args.ldv = args.ldo = kDim;
  args.length = kLength;
  args.head_dim = kDim;
  args.scale = 2.0F;  // peaked: the largest score moves from block to block
  args.scratch = scratch.data();
  vector().attention(args);
  double worst = 0.0;
  for (int i = 0; i < kLength; i += 37) {
    std::vector<double> score(kLength);
    for (int j = 0; j < kLength; ++j) {
      for (int d = 0; d < kDim; ++d) {
        score[static_cast<std::size_t>(j)] += 2.0 * static_cast<double>(q[static_cast<std::size_t>(i * kDim + d)]) *
                                              static_cast<double>(k[static_cast<std::size_t>(j * kDim + d)]);
      }
    }
    const double largest = *std::max_element(score.begin(), score.end());
    double total = 0.0;
    for (double& s : score) {
      s = std::exp(s - largest);
      total += s;
    }
    for (int d = 0; d < kDim; ++d) {
      double want = 0.0;
      for (int j = 0; j < kLength; ++j) {
        want +=
            score[static_cast<std::size_t>(j)] / total * static_cast<double>(v[static_cast<std::size_t>(j * kDim + d)]);
      }
      worst = std::max(worst, std::abs(want - static_cast<double>(out[static_cast<std::size_t>(i * kDim + d)])));
    }
  }
  EXPECT_LT(worst, 2e-5);  // scores up to 60 with float32's 6e-8 relative rounding: 4e-6 in the exponent
}

}  // namespace
}  // namespace mlxe::cpu
