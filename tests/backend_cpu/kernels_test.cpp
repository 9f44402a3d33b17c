// Tests of each instruction set's kernels: error bounds of the functions against libm, and equal bits for a row
// whatever rows stand beside it.
#include "backend/cpu/kernel_table.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
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
  struct Attention {
    const AttentionKernels* kernels;
    double error;         // allowed
    double weight_error;  // allowed of a weight, relative, where scores are exact
  };
  std::vector<Attention> attentions() const {
    // Scores go up to 60. Float32 rounds them by 6e-8 of that: 4e-6 in the exponent. bf16 queries and keys, 2^-9 each,
    // leave the largest scores about 0.1 off, and so the weights 10 %. int16 divides their lengths by 45,000: scores
    // are off by 2 sqrt(2 / 12) / 45000 of both lengths' product, 24 to 50, or 0.001 at worst.
    // A logarithm to base 2 of -14 is rounded by 5e-7; bf16 rounds weights by up to 2^-8, after an exponential that is
    // off by 1.1e-4; a score of -10 is off by half of int16's steps of each factor, 2^-15 or so of it.
    std::vector<Attention> all = {{GetParam().attention_fp32, 2e-5, 2e-6},
                                  {GetParam().attention_bf16, 0.15, 0x1p-8 + 2e-4},
                                  {GetParam().attention_int16, 2e-2, 5e-4}};
    std::erase_if(all, [](const Attention& one) { return one.kernels == nullptr; });
    return all;
  }
  std::vector<const MatrixKernels*> precisions() const {
    std::vector<const MatrixKernels*> all = {GetParam().fp32, GetParam().bf16, GetParam().int16, GetParam().int8};
    std::erase(all, nullptr);
    return all;
  }
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

constexpr int kN = 100;
constexpr int kK = 333;  // odd: the last word is half empty at bf16, a quarter full at int8
constexpr int kRows = 50;

/// w[kN, kK] packed for one precision, and its products with rows of activations.
class Product {
 public:
  Product(const MatrixKernels& kernels, const std::vector<float>& w)
      : kernels_(kernels), num_panels_((kN + kernels.panel_width - 1) / kernels.panel_width) {
    const auto width = static_cast<std::size_t>(kernels.panel_width);
    const auto k_words = static_cast<std::size_t>(num_words(kernels, kK));
    const std::size_t columns = static_cast<std::size_t>(num_panels_) * width;
    panels_.resize(columns * k_words);
    column_scale_.resize(columns);
    column_sum_.resize(columns);
    for (std::size_t first = 0; first < columns; first += width) {
      kernels.pack_panel(w.data() + first * kK, std::min(kernels.panel_width, kN - static_cast<int>(first)), kK,
                         panels_.data() + first * k_words, column_scale_.data() + first, column_sum_.data() + first);
    }
  }

  /// Rows [first, first + rows) of a.
  std::vector<float> of(const std::vector<float>& a, int first, int rows, Activation activation) const {
    std::vector<float> c(static_cast<std::size_t>(rows) * kN);
    std::vector<float> scale(static_cast<std::size_t>(rows));
    std::vector<float> offset(static_cast<std::size_t>(rows));
    std::vector<std::int32_t> words(static_cast<std::size_t>(rows) * kK);
    GemmArgs args;
    args.k_words = num_words(kernels_, kK);
    args.a = a.data() + static_cast<std::ptrdiff_t>(first) * kK;
    args.lda = kK;
    if (kernels_.prepare_rows != nullptr) {
      args.lda = args.k_words;
      kernels_.prepare_rows(a.data() + static_cast<std::ptrdiff_t>(first) * kK, kK, rows, kK, words.data(), args.lda,
                            scale.data(), offset.data());
      args.a = words.data();
    }
    args.b = panels_.data();
    args.c = c.data();
    args.ldc = kN;
    args.rows = rows;
    args.n = kN;
    args.panel_end = num_panels_;
    args.activation = activation;
    args.row_scale = scale.data();
    args.row_offset = offset.data();
    args.column_scale = column_scale_.data();
    args.column_sum = column_sum_.data();
    kernels_.gemm(args);
    return c;
  }

 private:
  const MatrixKernels& kernels_;
  int num_panels_;
  std::vector<std::int32_t> panels_;
  std::vector<float> column_scale_;
  std::vector<float> column_sum_;
};

TEST_P(Kernels, ProductsAreAsExactAsTheirPrecision) {
  const std::vector<float> a = noise(static_cast<std::size_t>(kRows) * kK, 1);
  const std::vector<float> w = noise(static_cast<std::size_t>(kN) * kK, 2);
  for (const MatrixKernels* kernels : precisions()) {
    const std::vector<float> c = Product(*kernels, w).of(a, 0, kRows, Activation::kNone);
    double worst = 0.0;
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kN; ++j) {
        double exact = 0.0;
        for (int p = 0; p < kK; ++p) {
          exact += static_cast<double>(a[static_cast<std::size_t>(r * kK + p)]) *
                   static_cast<double>(w[static_cast<std::size_t>(j * kK + p)]);
        }
        worst = std::max(worst, std::abs(exact - static_cast<double>(c[static_cast<std::size_t>(r * kN + j)])));
      }
    }
    // Products of unit normals: the sum's deviation is sqrt(333) = 18. One rounding of each operand is 2^-9 at bf16
    // (18 sqrt(2) 2^-9 / sqrt(3) = 0.03 deviation), at int8 a 6 / 255 / sqrt(12) step of activations and of weights
    // (0.18), or 6 / 170 / sqrt(12) of either where sums are limited (0.24), times 5.2 for the worst of 5,000; at int16
    // two steps of 18 / 45000 / sqrt(12) (0.003); float32 is left with its own summation error.
    const std::map<std::string, double> allowed = {{"fp32", 1e-4}, {"bf16", 0.15}, {"int16", 0.015}, {"int8", 1.25}};
    EXPECT_LT(worst, allowed.at(kernels->precision)) << kernels->precision;
  }
}

TEST_P(Kernels, GemmGivesARowTheSameBitsInAnyBatch) {
  const std::vector<float> a = noise(static_cast<std::size_t>(kRows) * kK, 1);
  const std::vector<float> w = noise(static_cast<std::size_t>(kN) * kK, 2);
  for (const MatrixKernels* kernels : precisions()) {
    const Product product(*kernels, w);
    const std::vector<float> whole = product.of(a, 0, kRows, Activation::kGeluErf);
    for (int rows = 1; rows <= 17; ++rows) {
      for (const int first : {0, 3, 31}) {
        const std::vector<float> part = product.of(a, first, rows, Activation::kGeluErf);
        ASSERT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<std::ptrdiff_t>(first) * kN))
            << kernels->precision << ", " << rows << " rows from " << first;
      }
    }
  }
}

TEST_P(Kernels, ANanInARowReachesItsOutputsAndNoOthers) {
  std::vector<float> a = noise(static_cast<std::size_t>(kRows) * kK, 1);
  const std::vector<float> w = noise(static_cast<std::size_t>(kN) * kK, 2);
  a[3 * kK + 7] = std::numeric_limits<float>::quiet_NaN();
  for (const MatrixKernels* kernels : precisions()) {
    const std::vector<float> c = Product(*kernels, w).of(a, 0, 8, Activation::kNone);
    for (std::size_t i = 0; i < c.size(); ++i) {
      ASSERT_EQ(std::isnan(c[i]), i / kN == 3) << kernels->precision << ", value " << i;
    }
  }
}

/// Which keys are seen: of the first `keys`, those inside the window.
struct Seen {
  int keys = 0;
  int left = AttentionSpec::kUnlimited;
  int right = AttentionSpec::kUnlimited;
};

/// One head over `length` tokens, scale 2: peaked, so that the largest score moves from block to block.
std::vector<float> attend(const AttentionKernels& kernels, const std::vector<float>& q, const std::vector<float>& k,
                          const std::vector<float>& v, int length, int head_dim, const Seen& seen) {
  std::vector<float> out(q.size());
  std::vector<float> scratch(kernels.scratch_floats({.length = length, .head_dim = head_dim}));
  AttentionArgs args;
  args.q = q.data();
  args.k = k.data();
  args.v = v.data();
  args.out = out.data();
  args.ldq = args.ldk = args.ldv = args.ldo = head_dim;
  args.length = length;
  args.query_end = length;
  args.key_length = seen.keys;
  args.left_window = seen.left;
  args.right_window = seen.right;
  args.head_dim = head_dim;
  args.scale = 2.0F;
  args.scratch = scratch.data();
  kernels.attention(args);
  return out;
}

TEST_P(Kernels, AttentionKeepsItsDigitsAcrossKeyBlocks) {
  // 1,300 tokens are three key blocks; the plain softmax in double is the judge.
  constexpr int kLength = 1300;
  constexpr int kDim = 24;
  const std::vector<float> q = noise(kLength * kDim, 3);
  const std::vector<float> k = noise(kLength * kDim, 4);
  const std::vector<float> v = noise(kLength * kDim, 5);
  for (const Attention& one : attentions()) {
    const std::vector<float> out = attend(*one.kernels, q, k, v, kLength, kDim, {.keys = kLength});
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
          want += score[static_cast<std::size_t>(j)] / total *
                  static_cast<double>(v[static_cast<std::size_t>(j * kDim + d)]);
        }
        worst = std::max(worst, std::abs(want - static_cast<double>(out[static_cast<std::size_t>(i * kDim + d)])));
      }
    }
    EXPECT_LT(worst, one.error);
  }
}

TEST_P(Kernels, AttentionOfOddLengthsSeesWhatMasksLeave) {
  // Odd counts of tokens and keys leave half a word of values at bf16; a window begins inside a word and a vector.
  constexpr int kDim = 23;
  for (const Attention& one : attentions()) {
    for (const int length : {1, 2, 7, 33, 65, 515}) {
      const auto size = static_cast<std::size_t>(length * kDim);
      const std::vector<float> q = noise(size, 3);
      const std::vector<float> k = noise(size, 4);
      const std::vector<float> v = noise(size, 5);
      const int fewer = (length + 1) / 2;
      for (const Seen& seen :
           {Seen{.keys = length}, Seen{.keys = length, .right = 0}, Seen{.keys = length, .left = 3, .right = 5},
            Seen{.keys = fewer}, Seen{.keys = fewer, .left = 4, .right = 4}, Seen{.keys = 0}}) {
        const std::vector<float> out = attend(*one.kernels, q, k, v, length, kDim, seen);
        for (int i = 0; i < length; i += length > 100 ? 37 : 1) {
          std::vector<double> sums(kDim);
          double total = 0.0;
          for (int j = 0; j < seen.keys; ++j) {
            if (i - j > seen.left || j - i > seen.right) {
              continue;
            }
            double score = 0.0;
            for (int d = 0; d < kDim; ++d) {
              score += 2.0 * static_cast<double>(q[static_cast<std::size_t>(i * kDim + d)]) *
                       static_cast<double>(k[static_cast<std::size_t>(j * kDim + d)]);
            }
            total += std::exp(score);  // up to e^60, which a double holds
            for (int d = 0; d < kDim; ++d) {
              sums[static_cast<std::size_t>(d)] +=
                  std::exp(score) * static_cast<double>(v[static_cast<std::size_t>(j * kDim + d)]);
            }
          }
          for (int d = 0; d < kDim; ++d) {
            const double want = total > 0.0 ? sums[static_cast<std::size_t>(d)] / total : 0.0;
            ASSERT_NEAR(static_cast<double>(out[static_cast<std::size_t>(i * kDim + d)]), want, one.error)
                << length << " tokens, " << seen.keys << " keys, window " << seen.left << ", " << seen.right
                << ": token " << i;
          }
        }
      }
    }
  }
}

TEST_P(Kernels, AttentionOverOneTokenIsItsValue) {
  for (const Attention& one : attentions()) {
    const std::vector<float> q = noise(8, 1);
    const std::vector<float> v = {1.0F, -2.0F, 0.5F, 4.0F, 0.0F, -0.25F, 8.0F, 1.5F};  // exact at bf16
    EXPECT_EQ(attend(*one.kernels, q, q, v, 1, 8, {.keys = 1}), v);
  }
}

TEST_P(Kernels, AttentionWeighsAKeyAsExactlyAsItsPrecision) {
  for (const Attention& one : attentions()) {
    for (int i = 1; i < 160; ++i) {
      // Key 1 scores -i / 16, exactly at every precision, and key 0 nothing. Only key 1 has a value.
      const std::vector<float> q = {1.0F, 0.0F, 1.0F, 0.0F};
      const std::vector<float> k = {0.0F, 0.0F, -static_cast<float>(i) / 32.0F, 0.0F};
      const std::vector<float> v = {0.0F, 0.0F, 1.0F, 0.0F};
      const float got = attend(*one.kernels, q, k, v, 2, 2, {.keys = 2})[0];
      const double weight = std::exp(-i / 16.0);
      EXPECT_NEAR(static_cast<double>(got) * (1.0 + weight) / weight, 1.0, one.weight_error) << "score " << -i / 16.0;
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu
