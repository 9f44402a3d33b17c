// Tests of int8 products and rotations on every instruction set: the bits of plain loops over whole numbers.
#include "backend/cpu/kernel_table.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
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

/// Steps from a row's smallest value to its largest.
float row_steps(const MatrixKernels& kernels) {
  const std::vector<float> row = {0.0F, 1.0F};
  std::vector<std::int32_t> words(area(1, num_words(kernels, 2)));
  float scale = 0.0F;
  float offset = 0.0F;
  kernels.prepare_rows(row.data(), 2, 1, 2, words.data(), num_words(kernels, 2), &scale, &offset);
  return std::rint(1.0F / scale);
}

/// [rows, k] whole numbers; every row has a 0 (if k > 1) and a `largest`: if those are all steps there are, its scale
/// is 1 and nothing is rounded.
std::vector<float> whole_rows(int rows, int k, float largest) {
  std::mt19937 generator(1);
  std::uniform_int_distribution<int> byte(0, static_cast<int>(largest));
  std::vector<float> x(area(rows, k));
  for (float& value : x) {
    value = static_cast<float>(byte(generator));
  }
  for (int r = 0; r < rows; ++r) {
    // The first row is at the upper end throughout, where sums of 16 bits would overflow.
    for (int p = 0; p < k; ++p) {
      x[area(r, k) + static_cast<std::size_t>(p)] = r == 0 ? largest : x[area(r, k) + static_cast<std::size_t>(p)];
    }
    x[area(r, k)] = 0.0F;
    x[area(r, k) + static_cast<std::size_t>(k) - 1] = largest;
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
  const std::vector<float> x = whole_rows(rows, k, row_steps(kernels));
  const std::vector<float> w = weights(n, k);
  const Packed packed(kernels, w, n, k);
  const int k_words = packed.k_words;
  std::vector<std::int32_t> words(area(rows, k_words));
  std::vector<float> row_scale(area(1, rows));
  std::vector<float> row_offset(area(1, rows));
  kernels.prepare_rows(x.data(), k, rows, k, words.data(), k_words, row_scale.data(), row_offset.data());
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

/// [k] small whole numbers, whose sums are exact.
std::vector<float> small_numbers(int k, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int> number(-100, 100);
  std::vector<float> x(area(1, k));
  for (float& value : x) {
    value = static_cast<float>(number(generator));
  }
  return x;
}

std::vector<float> rotated(const MatrixKernels& kernels, const std::vector<float>& x, float factor) {
  constexpr float kUntouched = 7.0F;
  const auto size = static_cast<std::size_t>(packed_features(kernels, static_cast<int>(x.size())));
  std::vector<float> y(size + 16, kUntouched);
  kernels.rotate_row(x.data(), static_cast<int>(x.size()), factor, y.data());
  EXPECT_TRUE(std::all_of(y.begin() + static_cast<std::ptrdiff_t>(size), y.end(),
                          [](float value) { return value == kUntouched; }));
  y.resize(size);
  return y;
}

TEST_P(Int8, RotationMultipliesBlocksByTheHadamardMatrix) {
  for (const int k : {1, 7, 63, 64, 65, 128, 333}) {
    const std::vector<float> x = small_numbers(k, 3);
    const std::vector<float> y = rotated(*GetParam().int8, x, 0.25F);
    ASSERT_EQ(y.size(), area(1, (k + 63) / 64 * 64));
    for (std::size_t i = 0; i < y.size(); ++i) {
      float sum = 0.0F;
      for (std::size_t p = 0; p < 64 && i / 64 * 64 + p < x.size(); ++p) {
        const bool negative = std::popcount(i % 64 & p) % 2 == 1;
        sum += negative ? -x[i / 64 * 64 + p] : x[i / 64 * 64 + p];
      }
      ASSERT_EQ(y[i], 0.25F * sum) << k << " values, place " << i;
    }
  }
}

TEST_P(Int8, RotationLeavesProductsAsTheyAre) {
  for (const int k : {1, 63, 64, 65, 333}) {
    const std::vector<float> x = small_numbers(k, 4);
    const std::vector<float> w = small_numbers(k, 5);
    const std::vector<float> rotated_x = rotated(*GetParam().int8, x, 1.0F / kRotated);
    const std::vector<float> rotated_w = rotated(*GetParam().int8, w, 1.0F);
    EXPECT_EQ(std::inner_product(rotated_x.begin(), rotated_x.end(), rotated_w.begin(), 0.0),
              std::inner_product(x.begin(), x.end(), w.begin(), 0.0))
        << k;
  }
}

TEST_P(Int8, WeightsUseAllTheirSteps) {
  // One value stands out, as the largest of a trained column does: it must reach the last step.
  const MatrixKernels& kernels = *GetParam().int8;
  constexpr int kK = 65;
  std::vector<float> w(kK, 0.0F);
  w[4] = -3.0F;
  std::vector<std::int32_t> panel(area(kernels.panel_width, num_words(kernels, kK)));
  std::vector<float> scale(area(1, kernels.panel_width));
  std::vector<float> sum(area(1, kernels.panel_width));
  kernels.pack_panel(w.data(), 1, kK, panel.data(), scale.data(), sum.data());
  EXPECT_EQ(sum[0], -127.0F);
  EXPECT_EQ(scale[0], 3.0F / 127.0F);
}

}  // namespace
}  // namespace mlxe::cpu
