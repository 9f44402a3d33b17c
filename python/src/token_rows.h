// TokenRows: matrices of token ids as the rows that the engine takes, without a copy.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "arrays.h"
#include "mlxe/options.h"

namespace mlxe::python {

using IdMatrix = Given<std::int32_t, 2>;

/// Keeps the arrays alive.
class TokenRows {
 public:
  /// \throws Error{kInvalidInput} for a mask or types of another shape than the ids
  TokenRows(IdMatrix ids, std::optional<IdMatrix> mask, std::optional<IdMatrix> types);
  [[nodiscard]] std::span<const TokenRow> views() const { return views_; }

 private:
  IdMatrix ids_;
  std::optional<IdMatrix> mask_;
  std::optional<IdMatrix> types_;
  std::vector<TokenRow> views_;
};

}  // namespace mlxe::python
