// The real all-MiniLM-L6-v2 checkpoint, which set-up installs, against what the safetensors package reads from it.
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

#include "weights/weight_map.h"

namespace mlxe {
namespace {

constexpr const char* kModel = "build/models/all-MiniLM-L6-v2";

TEST(RealModel, HasTheCountsThatTheSafetensorsPackageFinds) {
  const WeightMap weights(kModel);
  EXPECT_EQ(weights.num_parameters(), 22'713'216);  // embeddings.position_ids is int64 and does not count
  EXPECT_EQ(weights.type_of_largest(), "float32");
  EXPECT_EQ(weights.shape_of("embeddings.word_embeddings.weight"), (Shape{30522, 384}));
  EXPECT_EQ(weights.shape_of("embeddings.position_ids"), (Shape{1, 512}));
  EXPECT_EQ(weights.shape_of("pooler.dense.bias"), Shape{384});
}

TEST(RealModel, HasTheValuesThatTheSafetensorsPackageFinds) {
  WeightMap weights(kModel);
  const HostTensor query = weights.take("encoder.layer.0.attention.self.query.weight", {384, 384});
  ASSERT_TRUE(query.has_data());
  std::vector<float> values(num_elements(query.shape));
  std::memcpy(values.data(), query.data, values.size() * sizeof(float));
  EXPECT_EQ(values.front(), -0.14861962F);
  EXPECT_EQ(values.back(), -0.08523893F);
  double sum = 0;
  for (const float value : values) {
    sum += static_cast<double>(value);
  }
  EXPECT_NEAR(sum, 13.52819408863644, 1e-9);  // 147,456 terms below 1 in double: any order agrees to 1e-10
}

}  // namespace
}  // namespace mlxe
