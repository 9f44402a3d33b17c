// Slices and transposes of weights.
#include "models/shared/host_tensor.h"

#include <algorithm>
#include <array>

#include "support/expect_error.h"
#include "support/quantized_tensors.h"
#include "support/scalar_tensors.h"

namespace mlxe {
namespace {

TEST(HostTensor, ASliceHasTheRowsThatItNames) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const HostTensor slice = row_slice(testing::host_tensor(values, {3, 2}), 1, 2);
  EXPECT_EQ(slice.shape, (Shape{2, 2}));
  EXPECT_THAT(to_floats(slice), ::testing::ElementsAre(3, 4, 5, 6));
  EXPECT_ERROR(kInternal, "rows 2 to 4 of a weight of shape [3, 2]",
               row_slice(testing::host_tensor(values, {3, 2}), 2, 2));
}

TEST(HostTensor, ATransposeHasRowsForColumns) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const HostTensor turned = transposed(testing::host_tensor(values, {2, 3}));
  EXPECT_EQ(turned.shape, (Shape{3, 2}));
  EXPECT_THAT(to_floats(turned), ::testing::ElementsAre(1, 4, 2, 5, 3, 6));
}

TEST(HostTensor, AMissingWeightStaysMissing) {
  HostTensor nothing;
  nothing.shape = {4, 2};
  EXPECT_FALSE(row_slice(nothing, 1, 2).has_data());
  EXPECT_EQ(transposed(nothing).shape, (Shape{2, 4}));
  EXPECT_FALSE(transposed(nothing).has_data());
}

// A reranker's rows of packed output embeddings.
TEST(HostTensor, SelectedRowsOfAPackedMatrixAreExpanded) {
  const HostTensor packed = testing::quantized_tensor({.bits = 4, .group_size = 32}, 5, 64, DType::kBFloat16, 3);
  const std::vector<float> all = to_floats(testing::expanded(packed));
  EXPECT_EQ(to_floats(packed), all);
  const std::vector<float> rows = to_floats(select_rows(packed, std::array{4, 1}));
  ASSERT_EQ(rows.size(), 128U);
  EXPECT_TRUE(std::equal(rows.begin(), rows.begin() + 64, all.begin() + 256));
  EXPECT_TRUE(std::equal(rows.begin() + 64, rows.end(), all.begin() + 64));
}

// The halves of GTE's gated layers.
TEST(HostTensor, ASliceOfAPackedMatrixHasTheRowsThatItNames) {
  for (const QuantizationFormat& format : testing::all_formats()) {
    const HostTensor packed = testing::quantized_tensor(format, 5, 128, DType::kBFloat16, 3);
    const std::vector<float> all = to_floats(packed);
    const HostTensor slice = row_slice(packed, 2, 3);
    EXPECT_EQ(slice.shape, (Shape{3, 128}));
    EXPECT_EQ(to_floats(slice), std::vector<float>(all.begin() + 256, all.end())) << to_string(format);
    EXPECT_EQ(data_bytes(slice.quantization->scales), data_bytes(packed.quantization->scales) / 5 * 3);
  }
}

// Experts that multiply from the other side.
TEST(HostTensor, ATransposeOfAPackedMatrixIsExpanded) {
  const HostTensor packed = testing::quantized_tensor({.bits = 4, .group_size = 32}, 3, 32, DType::kFloat32, 4);
  EXPECT_EQ(to_floats(transposed(packed)), to_floats(transposed(testing::expanded(packed))));
}

}  // namespace
}  // namespace mlxe
