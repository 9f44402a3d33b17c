// The table of architectures.
#include <algorithm>

#include "models/architecture.h"
#include "support/expect_error.h"

namespace mlxe {
namespace {

TEST(Registry, FindsAnArchitectureByItsModelType) {
  EXPECT_EQ(find_architecture("bert").model_type, "bert");
}

TEST(Registry, ListsTheKnownTypesSortedAndWithoutRepeats) {
  const std::vector<std::string> names = architecture_names();
  EXPECT_THAT(names, ::testing::Contains("bert"));
  EXPECT_EQ(std::ranges::adjacent_find(names, std::ranges::greater_equal{}), names.end());
}

TEST(Registry, NamesTheKnownTypesAndTheNearestForAnUnknownOne) {
  EXPECT_ERROR(kUnsupported,
               "'brt' is not supported (did you mean 'bert'?), wanted one of: ", find_architecture("brt"));
  EXPECT_ERROR(kUnsupported, "'wav2vec2' is not supported, wanted one of: ", find_architecture("wav2vec2"));
}

}  // namespace
}  // namespace mlxe
