// Tests of int16 products on every instruction set: the bits of a plain loop over whole numbers, and no sum that leaves
// 32 bits.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/kernel_table.h"
#include "support/ops_fixture.h"

namespace mlxe::cpu {
namespace {

using ::mlxe::testing::noise;

class Int16 : public ::testing::TestWithParam<KernelTable> {
 protected:
  const MatrixKernels& kernels() const { return *GetParam().int16; }
  struct Products {
    std::vector<float> c;  // [rows, n]
    std::vector<float> row_scale;
    std::vector<float> column_scale;
  };
  Products multiply(const std::vector<float>& x, int rows, const std::vector<float>& w, int n, int k) const;
};
std::vector<KernelTable> tables_with_int16() {
  std::vector<KernelTable> tables(available_kernels().begin(), available_kernels().end());
  std::erase_if(tables, [](const KernelTable& table) { return table.int16 == nullptr; });
  return tables;
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Int16);  // a CPU may have none
INSTANTIATE_TEST_SUITE_P(Isa, Int16, ::testing::ValuesIn(tables_with_int16()),
                         [](const auto& isa) { return std::string(isa.param.name); });

std::size_t area(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

/// x[rows, k] times w[n, k], transposed.
Int16::Products Int16::multiply(const std::vector<float>& x, int rows, const std::vector<float>& w, int n,
                                int k) const {
  const int k_words = num_words(kernels(), k);
  const int num_panels = (n + kernels().panel_width - 1) / kernels().panel_width;
  const int columns = num_panels * kernels().panel_width;
  std::vector<std::int32_t> panels(area(columns, k_words));
  Products products;
  products.column_scale.resize(area(1, columns));
  for (int first = 0; first < columns; first += kernels().panel_width) {
    kernels().pack_panel(w.data() + area(first, k), std::min(kernels().panel_width, n - first), k,
                         panels.data() + area(first, k_words), products.column_scale.data() + first, nullptr);
  }
  std::vector<std::int32_t> words(area(rows, k_words));
  products.row_scale.resize(area(1, rows));
  kernels().prepare_rows(x.data(), k, rows, k, words.data(), k_words, products.row_scale.data(), nullptr);
  products.c.resize(area(rows, n));
  GemmArgs args;
  args.a = words.data();
  args.lda = k_words;
  args.b = panels.data();
  args.k_words = k_words;
  args.c = products.c.data();
  args.ldc = n;
  args.rows = rows;
  args.n = n;
  args.panel_end = num_panels;
  args.row_scale = products.row_scale.data();
  args.column_scale = products.column_scale.data();
  kernels().gemm(args);
  return products;
}

/// The step of a row, by its definition in double.
double step_of(const float* row, int k) {
  double squares = 0.0;
  double largest = 0.0;
  for (int p = 0; p < k; ++p) {
    squares += static_cast<double>(row[p]) * row[p];
    largest = std::max(largest, std::abs(static_cast<double>(row[p])));
  }
  return std::max(std::sqrt(squares) / 45000.0, largest / 32760.0);
}

std::int64_t whole_product(const float* row, float row_step, const float* column, float column_step, int k) {
  std::int64_t sum = 0;
  for (int p = 0; p < k; ++p) {
    sum += std::llrint(row[p] * (1.0F / row_step)) * std::llrint(column[p] * (1.0F / column_step));
  }
  return sum;
}

TEST_P(Int16, ProductsHaveTheBitsOfAPlainLoop) {
  for (const int rows : {0, 1, 7, 65}) {
    for (const int n : {1, 7, 65}) {
      for (const int k : {1, 2, 7, 65, 333}) {
        const std::vector<float> x = noise(std::max(rows, 1), k, 1).values;
        const std::vector<float> w = noise(n, k, 2).values;
        const Products products = multiply(x, rows, w, n, k);
        for (int r = 0; r < rows; ++r) {
          const float* row = x.data() + area(r, k);
          const float row_step = products.row_scale[static_cast<std::size_t>(r)];
          ASSERT_NEAR(row_step / step_of(row, k), 1.0, 1e-6) << k;
          for (int j = 0; j < n; ++j) {
            const float* column = w.data() + area(j, k);
            const float column_step = products.column_scale[static_cast<std::size_t>(j)];
            ASSERT_NEAR(column_step / step_of(column, k), 1.0, 1e-6) << k;
            const std::int64_t sum = whole_product(row, row_step, column, column_step, k);
            ASSERT_EQ(products.c[area(r, n) + static_cast<std::size_t>(j)],
                      static_cast<float>(sum) * row_step * column_step)
                << rows << " x " << n << " x " << k << ": row " << r << ", column " << j;
          }
        }
      }
    }
  }
}

TEST_P(Int16, TheLargestSumsStayIn32Bits) {
  // Equal rows and columns: the sum is the product of both lengths, and every rounding goes up.
  for (const int k : {1, 2, 3, 384, 4096, 1 << 20}) {
    for (const float sign : {1.0F, -1.0F}) {
      const std::vector<float> x(static_cast<std::size_t>(k), 1.0F);
      const std::vector<float> w(static_cast<std::size_t>(k), sign);
      const float sum = multiply(x, 1, w, 1, k).c[0];
      ASSERT_NEAR(sum, sign * static_cast<float>(k), 0.03 * k) << k;  // 43.9 steps become 44, in both
    }
  }
}

TEST_P(Int16, RowsAtTheEndsOfFloatKeepTheirDigits) {
  // Squares of these leave float's range at either end.
  constexpr int kK = 37;
  const std::vector<float> values = noise(1, kK, 3).values;
  const std::vector<float> unit = multiply(values, 1, values, 1, kK).c;
  for (const float size : {1e-30F, 1e-20F, 1e20F, 1e30F}) {
    std::vector<float> x = values;
    for (float& value : x) {
      value *= size;
    }
    const std::vector<float> c = multiply(x, 1, values, 1, kK).c;
    EXPECT_NEAR(c[0] / size, unit[0], 1e-4F * unit[0]) << size;
  }
  for (const float tiny : {0.0F, 1e-45F, 1e-40F, 1e-36F}) {
    const std::vector<float> c = multiply(std::vector<float>(kK, tiny), 1, values, 1, kK).c;
    EXPECT_LT(std::abs(c[0]), 1e-30F) << tiny;
  }
}

TEST_P(Int16, AValueThatStandsOutLeavesTheOthersTheirSteps) {
  // A thousand deviations: the rest still has 32 steps to its deviation.
  constexpr int kK = 768;
  std::vector<float> x = noise(1, kK, 4).values;
  x[5] = 1000.0F;
  std::vector<float> w = noise(1, kK, 5).values;
  w[5] = 0.0F;
  double want = 0.0;
  for (std::size_t p = 0; p < kK; ++p) {
    want += static_cast<double>(x[p]) * w[p];
  }
  // Deviation of the error: a step of 1 / 32 over sqrt(12), times the length of w (28), is 0.25.
  EXPECT_NEAR(multiply(x, 1, w, 1, kK).c[0], want, 1.0);
}

}  // namespace
}  // namespace mlxe::cpu
