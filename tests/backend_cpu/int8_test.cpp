// Tests of int8 products on every instruction set: the bits of a plain loop over whole numbers.
#include "backend/cpu/kernel_table.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/instruction_set.h"

namespace mlxe::cpu {
namespace {

std::size_t area(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

/// [rows, k] whole numbers; every row has a 0 (if k > 1) and a 255, so its scale is 1 and nothing is rounded.
std::vector<float> whole_rows(int rows, int k) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<int> byte(0, 255);
  std::vector<float> x(area(rows, k));
  for (float& value : x) {
    value = static_cast<float>(byte(generator));
  }
  for (int r = 0; r < rows; ++r) {
    // The first row is at the upper end throughout, where sums of 16 bits would overflow.
    for (int p = 0; p < k; ++p) {
      x[area(r, k) + static_cast<std::size_t>(p)] = r == 0 ? 255.0F : x[area(r, k) + static_cast<std::size_t>(p)];
    }
    x[area(r, k)] = 0.0F;
    x[area(r, k) + static_cast<std::size_t>(k) - 1] = 255.0F;
  }
  return x;
}

/// [n, k]: normal values, but the first column is all ones, the second all minus ones: the largest sums that there are.
std::vector<float> weights(int n, int k) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  std::vector<float> w(area(n, k));
  for (float& value : w) {
    value = normal(generator);
  }
  std::fill_n(w.begin(), k, 1.0F);
  if (n > 1) {
    std::fill_n(w.begin() + k, k, -1.0F);
  }
  return w;
}

class Int8 : public ::testing::TestWithParam<KernelTable> {
 protected:
  void expect_twin(int rows, int n, int k) const;
};
std::vector<KernelTable> tables_with_int8() {
  std::vector<KernelTable> tables(available_kernels().begin(), available_kernels().end());
  std::erase_if(tables, [](const KernelTable& table) { return table.int8 == nullptr; });
  return tables;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Int8);  // a CPU may have none
INSTANTIATE_TEST_SUITE_P(Isa, Int8, ::testing::ValuesIn(tables_with_int8()),
                         [](const auto& isa) { return std::string(isa.param.name); });

/// A weight as the kernels have it.
struct Packed {
  Packed(const MatrixKernels& kernels, const std::vector<float>& w, int n, int k)
      : k_words(num_words(kernels, k)),
        num_panels((n + kernels.panel_width - 1) / kernels.panel_width),
        columns(num_panels * kernels.panel_width),
        panels(area(columns, k_words)),
        column_scale(area(1, columns)),
        column_sum(area(1, columns)) {
    for (int first = 0; first < columns; first += kernels.panel_width) {
      kernels.pack_panel(w.data() + area(first, k), std::min(kernels.panel_width, n - first), k,
                         panels.data() + area(first, k_words), column_scale.data() + first, column_sum.data() + first);
    }
  }
  /// The code of a weight.
  [[nodiscard]] std::int32_t code(float weight, int column) const {
    return static_cast<std::int32_t>(std::rint(weight / column_scale[static_cast<std::size_t>(column)]));
  }

  int k_words;
  int num_panels;
  int columns;
  std::vector<std::int32_t> panels;
  std::vector<float> column_scale;
  std::vector<float> column_sum;
};

void Int8::expect_twin(int rows, int n, int k) const {
  const MatrixKernels& kernels = *GetParam().int8;
  const std::vector<float> x = whole_rows(rows, k);
  const std::vector<float> w = weights(n, k);
  const Packed packed(kernels, w, n, k);
  const int k_words = packed.k_words;
  std::vector<std::int32_t> words(area(rows, k_words));
  std::vector<float> row_scale(area(1, rows));
  std::vector<float> row_offset(area(1, rows));
  std::vector<float> row_mean(area(1, rows));
  kernels.prepare_rows(x.data(), k, rows, k, words.data(), k_words, row_scale.data(), row_offset.data(),
                       row_mean.data());
  std::vector<float> c(area(rows, n));
  GemmArgs args;
  args.a = words.data();
  args.lda = k_words;
  args.b = packed.panels.data();
  args.k_words = k_words;
  args.c = c.data();
  args.ldc = n;
  args.rows = rows;
  args.n = n;
  args.panel_end = packed.num_panels;
  args.row_scale = row_scale.data();
  args.row_offset = row_offset.data();
  args.column_scale = packed.column_scale.data();
  args.column_sum = packed.column_sum.data();
  kernels.gemm(args);
  for (int r = 0; r < rows; ++r) {
    ASSERT_EQ(row_scale[static_cast<std::size_t>(r)], 1.0F);
    for (int j = 0; j < n; ++j) {
      const float scale = packed.column_scale[static_cast<std::size_t>(j)];
      std::int32_t sum = 0;
      for (int p = 0; p < k; ++p) {
        const std::int32_t q = packed.code(w[area(j, k) + static_cast<std::size_t>(p)], j);
        ASSERT_LE(std::abs(q), 127);
        sum += q * static_cast<std::int32_t>(x[area(r, k) + static_cast<std::size_t>(p)]);
      }
      // Below 2^24, so exact as a float; the scale then rounds once, here as there.
      ASSERT_EQ(c[area(r, n) + static_cast<std::size_t>(j)], static_cast<float>(sum) * scale)
          << rows << " x " << n << " x " << k << ": row " << r << ", column " << j;
    }
  }
}

TEST_P(Int8, ProductsHaveTheBitsOfAPlainLoop) {
  for (const int rows : {0, 1, 7, 65}) {
    for (const int n : {1, 7, 65}) {
      for (const int k : {1, 2, 7, 65, 333}) {
        expect_twin(rows, n, k);
      }
    }
  }
}

TEST_P(Int8, FeaturesAloneHaveTheBitsOfAPlainLoop) {
  const MatrixKernels& kernels = *GetParam().int8;
  for (const int n : {1, 7, 65}) {
    for (const int k : {1, 7, 65}) {
      const std::vector<float> w = weights(n, k);
      const Packed packed(kernels, w, n, k);
      std::vector<std::int32_t> features;
      std::vector<float> values;
      for (int p = 0; p < k; p += p < 4 ? 1 : 30) {  // each place in a word, and the last one
        features.push_back(p);
        values.push_back(0.7F - 300.0F * static_cast<float>(p));
      }
      std::vector<float> out(area(1, packed.columns));
      kernels.multiply_features({.features = features.data(),
                                 .values = values.data(),
                                 .count = static_cast<int>(features.size()),
                                 .b = packed.panels.data(),
                                 .k_words = packed.k_words,
                                 .num_panels = packed.num_panels,
                                 .column_scale = packed.column_scale.data(),
                                 .out = out.data()});
      for (int j = 0; j < n; ++j) {
        float sum = 0.0F;
        for (std::size_t i = 0; i < features.size(); ++i) {
          const float weight = w[area(j, k) + static_cast<std::size_t>(features[i])];
          sum = std::fma(values[i], static_cast<float>(packed.code(weight, j)), sum);
        }
        ASSERT_EQ(out[static_cast<std::size_t>(j)], sum * packed.column_scale[static_cast<std::size_t>(j)])
            << n << " x " << k << ": column " << j;
      }
    }
  }
}

TEST_P(Int8, WeightsUseAllTheirSteps) {
  // One value stands out, as the largest of a trained column does: it must reach the last step, or the one before
  // where sums saturate and some room is for rounding.
  const MatrixKernels& kernels = *GetParam().int8;
  constexpr int kK = 65;
  std::vector<float> w(kK, 0.0F);
  w[4] = -3.0F;
  std::vector<std::int32_t> panel(area(kernels.panel_width, num_words(kernels, kK)));
  std::vector<float> scale(area(1, kernels.panel_width));
  std::vector<float> sum(area(1, kernels.panel_width));
  kernels.pack_panel(w.data(), 1, kK, panel.data(), scale.data(), sum.data());
  EXPECT_TRUE(sum[0] == -127.0F || (kernels.words_at_once > 1 && sum[0] == -126.0F)) << sum[0];
  EXPECT_EQ(scale[0], 3.0F / -sum[0]);
}

}  // namespace
}  // namespace mlxe::cpu
