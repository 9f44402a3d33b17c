// Tests that no kernel turns a NaN into a number: the engine withholds a result by the NaN that reaches it.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class NanKernels : public ::testing::TestWithParam<KernelTable> {};
INSTANTIATE_TEST_SUITE_P(Isa, NanKernels, ::testing::ValuesIn(available_kernels().begin(), available_kernels().end()),
                         [](const auto& isa) { return std::string(isa.param.name); });

constexpr Activation kActivations[] = {Activation::kNone,    Activation::kGeluErf,  Activation::kGeluTanh,
                                       Activation::kRelu,    Activation::kSilu,     Activation::kTanh,
                                       Activation::kSigmoid, Activation::kQuickGelu};

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  std::ranges::generate(values, [&] { return normal(generator); });
  return values;
}

TEST_P(NanKernels, ActivationsKeepIt) {
  for (const Activation activation : kActivations) {
    for (const std::size_t place : {0U, 7U, 16U, 36U}) {  // in whole vectors and in the tail of 37 values
      std::vector<float> x = noise(37, 1);
      x[place] = kNan;
      GetParam().vector->activate(activation, x.data(), x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(std::isnan(x[i]), i == place) << static_cast<int>(activation) << ", value " << i;
      }
    }
  }
}

TEST_P(NanKernels, GeluOfInfinityIsNoNumber) {
  for (const Activation activation : {Activation::kGeluErf, Activation::kGeluTanh}) {
    for (const float infinite : {kInfinity, -kInfinity}) {
      std::vector<float> x = noise(37, 1);
      x[7] = infinite;
      x[36] = infinite;
      GetParam().vector->activate(activation, x.data(), x.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(std::isnan(x[i]), i == 7 || i == 36) << static_cast<int>(activation) << ", value " << i;
      }
    }
  }
}

TEST_P(NanKernels, GatesKeepItInEitherHalf) {
  constexpr int kSize = 37;
  for (const Activation activation : kActivations) {
    for (const float limit : {2.0F, kInfinity}) {
      for (const int place : {0, 36, kSize, kSize + 36}) {
        std::vector<float> x = noise(2 * kSize, 2);
        x[static_cast<std::size_t>(place)] = kNan;
        std::vector<float> y(kSize);
        GateArgs args;
        args.x = x.data();
        args.ldx = 2 * kSize;
        args.y = y.data();
        args.ldy = kSize;
        args.gate = {.activation = activation, .limit = limit, .up_offset = 1.0F};
        args.rows = 1;
        args.size = kSize;
        GetParam().vector->gate(args);
        for (int i = 0; i < kSize; ++i) {
          ASSERT_EQ(std::isnan(y[static_cast<std::size_t>(i)]), i == place % kSize)
              << static_cast<int>(activation) << ", limit " << limit << ", value " << i;
        }
      }
    }
  }
}

/// Attention of one head over `length` tokens.
struct Sequence {
  static constexpr int kDim = 24;
  int length = 0;
  int right_window = AttentionSpec::kUnlimited;
  std::vector<float> q = noise(static_cast<std::size_t>(length) * kDim, 3);
  std::vector<float> k = noise(static_cast<std::size_t>(length) * kDim, 4);
  std::vector<float> v = noise(static_cast<std::size_t>(length) * kDim, 5);

  static std::size_t at(int token, int d) {
    return static_cast<std::size_t>(token) * kDim + static_cast<std::size_t>(d);
  }

  std::vector<float> attend(const AttentionKernels& kernels) const {
    std::vector<float> out(q.size());
    std::vector<float> scratch(kernels.scratch_floats({.length = length, .head_dim = kDim}));
    AttentionArgs args;
    args.q = q.data();
    args.k = k.data();
    args.v = v.data();
    args.out = out.data();
    args.ldq = args.ldk = args.ldv = args.ldo = kDim;
    args.length = length;
    args.query_end = length;
    args.key_length = length;
    args.head_dim = kDim;
    args.right_window = right_window;
    args.scratch = scratch.data();
    kernels.attention(args);
    return out;
  }
};

template <class Body>
void for_attentions(const KernelTable& table, const Body& body) {
  for (const AttentionKernels* kernels : {table.attention_fp32, table.attention_bf16, table.attention_int16}) {
    if (kernels != nullptr) {
      SCOPED_TRACE(kernels == table.attention_fp32 ? "fp32" : "bf16");
      body(*kernels);
    }
  }
}

// 1 and 7 tokens are less than a vector, 65 more than a tile, 1,300 three blocks of keys. The places are the first
// and the last of a vector, a tile and a block.
constexpr int kLengths[] = {1, 7, 65, 1300};
std::vector<int> places(int length) {
  std::vector<int> all = {0, 3, 6, 64, 511, 512, 1299};
  std::erase_if(all, [&](int place) { return place >= length; });
  return all;
}

TEST_P(NanKernels, AttentionKeepsThatOfAQueryInItsRow) {
  for_attentions(GetParam(), [](const AttentionKernels& kernels) {
    for (const int length : kLengths) {
      for (const int place : places(length)) {
        Sequence sequence{.length = length};
        sequence.q[Sequence::at(place, 5)] = kNan;
        const std::vector<float> out = sequence.attend(kernels);
        for (std::size_t i = 0; i < out.size(); ++i) {
          ASSERT_EQ(std::isnan(out[i]), i / Sequence::kDim == static_cast<std::size_t>(place))
              << length << " tokens, row " << i / Sequence::kDim << ", NaN in row " << place;
        }
      }
    }
  });
}

TEST_P(NanKernels, AttentionKeepsThatOfAKeyInTheRowsThatSeeIt) {
  for_attentions(GetParam(), [](const AttentionKernels& kernels) {
    for (const int length : kLengths) {
      for (const int place : places(length)) {
        for (const bool causal : {false, true}) {
          Sequence sequence{.length = length, .right_window = causal ? 0 : AttentionSpec::kUnlimited};
          sequence.k[Sequence::at(place, 5)] = kNan;
          const std::vector<float> out = sequence.attend(kernels);
          for (std::size_t i = 0; i < out.size(); ++i) {
            ASSERT_EQ(std::isnan(out[i]), !causal || i / Sequence::kDim >= static_cast<std::size_t>(place))
                << length << " tokens, row " << i / Sequence::kDim << ", NaN in row " << place << ", causal " << causal;
          }
        }
      }
    }
  });
}

TEST_P(NanKernels, AttentionKeepsThatOfAValueInItsColumn) {
  for_attentions(GetParam(), [](const AttentionKernels& kernels) {
    for (const int length : kLengths) {
      for (const int place : places(length)) {
        Sequence sequence{.length = length};
        sequence.v[Sequence::at(place, 5)] = kNan;
        const std::vector<float> out = sequence.attend(kernels);
        for (std::size_t i = 0; i < out.size(); ++i) {
          ASSERT_EQ(std::isnan(out[i]), i % Sequence::kDim == 5)
              << length << " tokens, row " << i / Sequence::kDim << ", NaN in row " << place;
        }
      }
    }
  });
}

TEST_P(NanKernels, AttentionOfNanKeysOnlyIsNan) {
  for_attentions(GetParam(), [](const AttentionKernels& kernels) {
    for (const int length : kLengths) {
      Sequence sequence{.length = length};
      std::ranges::fill(sequence.k, kNan);
      EXPECT_TRUE(std::ranges::all_of(sequence.attend(kernels), [](float x) { return std::isnan(x); })) << length;
    }
  });
}

TEST_P(NanKernels, ScoresThatOverflowGiveNanAndNoNumbers) {
  for_attentions(GetParam(), [](const AttentionKernels& kernels) {
    for (const float sign : {1.0F, -1.0F}) {
      Sequence sequence{.length = 65};
      std::ranges::fill(sequence.q, 1e30F);
      std::ranges::fill(sequence.k, sign * 1e30F);
      EXPECT_TRUE(std::ranges::all_of(sequence.attend(kernels), [](float x) { return std::isnan(x); })) << sign;
    }
  });
}

/// c[n] of one row of ones and a weight [n, k].
std::vector<float> product(const MatrixKernels& kernels, const std::vector<float>& w, int n, int k) {
  const int k_words = num_words(kernels, k);
  const int num_panels = (n + kernels.panel_width - 1) / kernels.panel_width;
  const auto columns = static_cast<std::size_t>(num_panels * kernels.panel_width);
  std::vector<std::int32_t> panels(columns * static_cast<std::size_t>(k_words));
  std::vector<float> column_scale(columns);
  std::vector<float> column_sum(columns);
  for (int first = 0; first < n; first += kernels.panel_width) {
    kernels.pack_panel(w.data() + static_cast<std::ptrdiff_t>(first) * k, std::min(kernels.panel_width, n - first), k,
                       panels.data() + static_cast<std::ptrdiff_t>(first) * k_words, column_scale.data() + first,
                       column_sum.data() + first);
  }
  const std::vector<float> ones(static_cast<std::size_t>(k), 1.0F);
  std::vector<std::int32_t> words(static_cast<std::size_t>(k_words));
  std::vector<float> c(static_cast<std::size_t>(n));
  float row_scale = 0.0F;
  float row_offset = 0.0F;
  GemmArgs args;
  args.a = ones.data();
  args.lda = k;
  if (kernels.prepare_rows != nullptr) {
    kernels.prepare_rows(ones.data(), k, 1, k, words.data(), k_words, &row_scale, &row_offset);
    args.a = words.data();
    args.lda = k_words;
  }
  args.b = panels.data();
  args.k_words = k_words;
  args.c = c.data();
  args.ldc = n;
  args.rows = 1;
  args.n = n;
  args.panel_end = num_panels;
  args.row_scale = &row_scale;
  args.row_offset = &row_offset;
  args.column_scale = column_scale.data();
  args.column_sum = column_sum.data();
  kernels.gemm(args);
  return c;
}

template <class Body>
void for_products(const KernelTable& table, const Body& body) {
  for (const MatrixKernels* kernels : {table.fp32, table.bf16, table.int16, table.int8}) {
    if (kernels != nullptr) {
      SCOPED_TRACE(kernels->precision);
      body(*kernels);
    }
  }
}

TEST_P(NanKernels, ProductsKeepThatOfAWeightInItsColumn) {
  constexpr int kN = 65;
  constexpr int kK = 37;
  for_products(GetParam(), [](const MatrixKernels& kernels) {
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      for (const int place : {0, 1, 36}) {
        std::vector<float> w = noise(kN * kK, 6);
        w[static_cast<std::size_t>(33 * kK + place)] = bad;
        const std::vector<float> c = product(kernels, w, kN, kK);
        for (int j = 0; j < kN; ++j) {
          ASSERT_EQ(std::isfinite(c[static_cast<std::size_t>(j)]), j != 33)
              << bad << " at " << place << ", column " << j;
        }
      }
    }
  });
}

std::vector<KernelTable> kernels_with_int8() {
  std::vector<KernelTable> tables(available_kernels().begin(), available_kernels().end());
  std::erase_if(tables, [](const KernelTable& table) { return table.int8 == nullptr; });
  return tables;
}

class Int8Kernels : public ::testing::TestWithParam<KernelTable> {};
INSTANTIATE_TEST_SUITE_P(Isa, Int8Kernels, ::testing::ValuesIn(kernels_with_int8()),
                         [](const auto& isa) { return std::string(isa.param.name); });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Int8Kernels);

TEST_P(Int8Kernels, StepsOfARowAreNumbersIfAllOfItIs) {
  const MatrixKernels* kernels = GetParam().int8;
  constexpr int kSize = 37;
  const auto step = [&](float first, float last) {
    std::vector<float> row = noise(kSize, 3);
    row.front() = first;
    row.back() = last;
    std::vector<std::int32_t> words(kSize);
    float scale = 0.0F;
    float offset = 0.0F;
    kernels->prepare_rows(row.data(), kSize, 1, kSize, words.data(), num_words(*kernels, kSize), &scale, &offset);
    return scale;
  };
  EXPECT_TRUE(std::isfinite(step(3e38F, 2e38F)));  // whose sum is none
  for (const float poison : {kNan, kInfinity, -kInfinity}) {
    EXPECT_TRUE(std::isnan(step(poison, 1.0F))) << poison;
    EXPECT_TRUE(std::isnan(step(1.0F, poison))) << poison;
    EXPECT_TRUE(std::isnan(step(poison, 3e38F))) << poison;
  }
}

TEST_P(Int8Kernels, StepsAreNormalNumbers) {
  const MatrixKernels* kernels = GetParam().int8;
  // A step of 1/127 of the largest weight, or 1/255 of a row's range, would be subnormal: 0, or of few digits.
  const auto width = static_cast<std::size_t>(kernels->panel_width);
  const int k_words = num_words(*kernels, 4);
  for (const float largest : {1e-45F, 2.5e-43F, 1e-40F, 1e-37F}) {
    const std::vector<float> values = {largest, -largest, 0.0F, largest};
    std::vector<std::int32_t> words(width * static_cast<std::size_t>(k_words));
    std::vector<float> scale(width);
    std::vector<float> sum(width);
    kernels->pack_panel(values.data(), 1, 4, words.data(), scale.data(), sum.data());
    EXPECT_GE(scale[0], std::numeric_limits<float>::min()) << largest;
    float row_scale = 0.0F;
    float row_offset = 0.0F;
    kernels->prepare_rows(values.data(), 4, 1, 4, words.data(), k_words, &row_scale, &row_offset);
    EXPECT_GE(row_scale, std::numeric_limits<float>::min()) << largest;
  }
}

}  // namespace
}  // namespace mlxe::cpu
