// MaxSim by hand, and what is refused.
#include "mlxe/similarity.h"

#include "support/expect_error.h"

namespace mlxe {
namespace {

MultiVector vectors(int dim, std::vector<float> values) {
  MultiVector out{.dim = dim, .ids = {}, .values = std::move(values), .report = {}};
  out.ids.resize(out.values.size() / static_cast<std::size_t>(dim));
  return out;
}

TEST(MaxSim, SumsTheBestProductOfEachVectorOfTheQuery) {
  const MultiVector query = vectors(2, {1, 0, 0, 2});
  EXPECT_EQ(maxsim(query, vectors(2, {3, 1, -1, 4})), 3.0F + 8.0F);
  EXPECT_EQ(maxsim(query, vectors(2, {-3, -1})), -3.0F - 2.0F);
  EXPECT_EQ(maxsim(query, MultiVector{.dim = 2, .ids = {}, .values = {}, .report = {}}), kEmptyDocumentScore);
}

TEST(MaxSim, RefusesVectorsOfDifferentWidths) {
  const MultiVector two = vectors(2, {1, 0});
  const MultiVector four = vectors(4, {1, 0, 0, 0});
  EXPECT_ERROR(kInvalidInput, "the query's vectors have 4 dimensions, the document's 2", maxsim(four, two));
  EXPECT_ERROR(kInvalidInput, "the query's vectors have 2 dimensions, the document's 4",
               maxsim(std::vector{two}, std::vector{two, four}));
}

}  // namespace
}  // namespace mlxe
