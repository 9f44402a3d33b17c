// Choosing each layer's bits so that a model's vectors stay close enough to those of the original.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/vector_drift.h"
#include "tensor/tensor.h"

namespace mlxe {

struct BudgetLayer {
  std::string path;
  HostTensor weight;
  DType dtype = DType::kFloat16;  ///< that it is cast to before
};

/// Bits of each layer by its path; kUnquantizedBits: it stays as it is.
using BitChoice = std::map<std::string, int, std::less<>>;
inline constexpr int kUnquantizedBits = 16;

struct BudgetSearch {
  double least_cosine = 0.99;
  int group_size = 64;
  int threads = 1;
  /// Makes the model with these bits and compares its vectors with the original's.
  std::function<VectorDrift(const BitChoice& bits)> measure;
  std::function<void(const std::string& text)> say;
};

/// Layers of a kind (their names but for the numbers) are taken to be equally sensitive: each kind is tried alone with
/// few bits, which says what its errors cost. Then the exchange rate between cost and size is halved until the model at
/// hand holds the cosine; the smallest that does is chosen.
/// \throws Error{kInvalidInput} if not even the unquantised layers hold it
[[nodiscard]] BitChoice choose_bits(const std::vector<BudgetLayer>& layers, const BudgetSearch& search);

/// "encoder.layer.#.output.dense"
[[nodiscard]] std::string kind_of_layer(std::string_view path);

}  // namespace mlxe
