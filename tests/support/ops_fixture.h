// OpsSuite: the fixture of the tests that every backend passes, with matrices as tensors and as weights.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mlxe/error.h"
#include "support/packed_rows.h"
#include "support/reference_ops.h"
#include "tensor/backend.h"

namespace mlxe::testing {

/// A backend under test. The name becomes part of the tests' names.
struct OpsBackend {
  std::string name;
  std::function<std::unique_ptr<Backend>()> make;
};
inline void PrintTo(const OpsBackend& backend, std::ostream* out) {
  *out << backend.name;
}
/// For the last argument of INSTANTIATE_TEST_SUITE_P.
inline std::string ops_backend_name(const ::testing::TestParamInfo<OpsBackend>& info) {
  return info.param.name;
}

inline HostTensor host_tensor(Shape shape, std::span<const float> values) {
  auto owner = std::make_shared<std::vector<float>>(values.begin(), values.end());
  owner->resize(std::max<std::size_t>(owner->size(), 1));  // no elements are still data that is there
  return {DType::kFloat32, std::move(shape), reinterpret_cast<const std::byte*>(owner->data()), owner};
}
inline HostTensor host_tensor(const Matrix& matrix) {
  return host_tensor({matrix.rows, matrix.columns}, matrix.values);
}

/// A weight of a 16-bit type and its exact values.
struct HalfWeight {
  HostTensor tensor;
  Matrix values;
};
/// Random bits with exponents that give magnitudes of 2^-smallest to 2.
inline HalfWeight half_weight(DType dtype, int rows, int columns, unsigned seed, int smallest = 6) {
  const int mantissa_bits = dtype == DType::kFloat16 ? 10 : 7;
  const int bias = dtype == DType::kFloat16 ? 15 : 127;
  std::mt19937 generator(seed);
  HalfWeight half;
  half.values = Matrix(rows, columns);
  auto bits = std::make_shared<std::vector<std::uint16_t>>();
  for (float& value : half.values.values) {
    const auto random = static_cast<unsigned>(generator());
    const unsigned exponent =
        static_cast<unsigned>(bias - smallest) + (random >> 16) % static_cast<unsigned>(smallest + 1);
    const unsigned mantissa = random & ((1U << mantissa_bits) - 1);
    bits->push_back(static_cast<std::uint16_t>((random & 0x8000U) | (exponent << mantissa_bits) | mantissa));
    value = decode(dtype, bits->back());
  }
  half.tensor = {dtype, {rows, columns}, reinterpret_cast<const std::byte*>(bits->data()), bits};
  return half;
}

class OpsSuite : public ::testing::TestWithParam<OpsBackend> {
 protected:
  Backend& backend() { return *backend_; }

  /// Runs `body(ops)` as the only task of the backend.
  void with_ops(const std::function<void(Ops&)>& body) {
    backend_->run(1, [&](Ops& ops, std::size_t /*task*/) { body(ops); });
  }

  /// An activation with these values: there is no other way into a backend than a table lookup.
  Tensor upload(Ops& ops, const Matrix& matrix) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(matrix.rows));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      ids[i] = static_cast<std::int32_t>(i);
    }
    // A table of no rows is not worth a contract; one row that nobody looks up will do.
    const Matrix stored = matrix.rows > 0 ? matrix : Matrix(1, matrix.columns);
    const EmbeddingTable table = backend_->embedding_table(host_tensor(stored));
    return ops.gather_sum(std::array{Lookup{&table, ids}});
  }

  static Matrix download(Ops& ops, const Tensor& tensor) {
    Matrix matrix(tensor.rows(), tensor.columns());
    ops.read(tensor, matrix.values);
    return matrix;
  }

  /// Compares shape and every element; reports the worst one.
  static void expect_matches(Ops& ops, const Tensor& tensor, const Expected& expected, const std::string& what = "") {
    ASSERT_EQ(tensor.rows(), expected.rows) << what;
    ASSERT_EQ(tensor.columns(), expected.columns) << what;
    const Matrix actual = download(ops, tensor);
    double worst = 0.0;
    std::size_t worst_index = 0;
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      const double error = std::abs(static_cast<double>(actual.values[i]) - expected.values[i]);
      // A bound of 0 means the same bits; NaN compares false and counts as infinitely wrong.
      const double excess = error <= expected.bounds[i] ? (error > 0 ? error / expected.bounds[i] : 0.0) : 1e30;
      if (excess > worst) {
        worst = excess;
        worst_index = i;
      }
    }
    EXPECT_LE(worst, 1.0) << what << " element [" << worst_index / static_cast<std::size_t>(expected.columns) << ", "
                          << worst_index % static_cast<std::size_t>(expected.columns) << "] is "
                          << actual.values[worst_index] << ", wanted " << expected.values[worst_index] << " +- "
                          << expected.bounds[worst_index];
  }

  static void expect_equal(Ops& ops, const Tensor& tensor, const Matrix& wanted, const std::string& what = "") {
    Expected expected(wanted.rows, wanted.columns);
    for (const float value : wanted.values) {
      expected.push(static_cast<double>(value), 0.0);
    }
    expect_matches(ops, tensor, expected, what);
  }

  static void expect_refused(const std::function<void()>& call, const std::string& what) {
    try {
      call();
      ADD_FAILURE() << what << ": no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << what << ": " << error.what();
    }
  }

 private:
  std::unique_ptr<Backend> backend_ = GetParam().make();
};

}  // namespace mlxe::testing
