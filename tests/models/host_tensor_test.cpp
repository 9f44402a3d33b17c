// Slices and transposes of weights.
#include "models/shared/host_tensor.h"

#include "models/shared/decoder_weights.h"
#include "support/expect_error.h"
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

}  // namespace
}  // namespace mlxe
