// Rows of matrices.
#include "token_rows.h"

#include <string>
#include <utility>

#include "mlxe/error.h"

namespace mlxe::python {
namespace {

std::span<const std::int32_t> row_of(const IdMatrix& matrix, std::size_t row) {
  return {matrix.data() + row * matrix.shape(1), matrix.shape(1)};
}

void check_shape(const IdMatrix& ids, const IdMatrix& other, const char* name) {
  if (other.shape(0) != ids.shape(0) || other.shape(1) != ids.shape(1)) {
    const auto shape = [](const IdMatrix& matrix) {
      return "(" + std::to_string(matrix.shape(0)) + ", " + std::to_string(matrix.shape(1)) + ")";
    };
    throw Error(ErrorCode::kInvalidInput,
                std::string(name) + " has the shape " + shape(other) + ", wanted that of input_ids, " + shape(ids));
  }
}

}  // namespace

TokenRows::TokenRows(IdMatrix ids, std::optional<IdMatrix> mask, std::optional<IdMatrix> types)
    : ids_(std::move(ids)), mask_(std::move(mask)), types_(std::move(types)) {
  if (mask_) {
    check_shape(ids_, *mask_, "attention_mask");
  }
  if (types_) {
    check_shape(ids_, *types_, "token_type_ids");
  }
  views_.reserve(ids_.shape(0));
  for (std::size_t row = 0; row < ids_.shape(0); ++row) {
    TokenRow view{.ids = row_of(ids_, row)};
    view.mask = mask_ ? row_of(*mask_, row) : view.mask;
    view.type_ids = types_ ? row_of(*types_, row) : view.type_ids;
    views_.push_back(view);
  }
}

}  // namespace mlxe::python
