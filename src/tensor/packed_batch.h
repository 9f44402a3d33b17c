// PackedBatch: the token ids of several texts one behind the other, with no padding between them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace mlxe {

struct PackedBatch {
  std::vector<std::int32_t> token_ids;       ///< [total_tokens]
  std::vector<std::int32_t> type_ids;        ///< [total_tokens]; 0 for the first text of a pair, 1 for the second
  std::vector<std::int32_t> offsets{0};      ///< [rows + 1]; row r owns tokens [offsets[r], offsets[r + 1])
  std::vector<std::int32_t> prompt_lengths;  ///< [rows]; leading tokens that belong to the prompt; empty: none do
  /// [rows]; tokens of a row from here on see the others and are seen by none (ColBERT's query expansion); empty: all
  /// are seen
  std::vector<std::int32_t> key_lengths;

  [[nodiscard]] int num_rows() const { return static_cast<int>(offsets.size()) - 1; }
  [[nodiscard]] int num_tokens() const { return static_cast<int>(token_ids.size()); }
  /// Tokens of the longest row.
  [[nodiscard]] int longest_row() const {
    std::int32_t longest = 0;
    for (std::size_t row = 0; row + 1 < offsets.size(); ++row) {
      longest = std::max(longest, offsets[row + 1] - offsets[row]);
    }
    return longest;
  }
};

/// Tokens of a batch in any order; nothing: all of them.
using TokenChoice = std::optional<std::vector<std::int32_t>>;

[[nodiscard]] inline std::vector<std::int32_t> first_tokens(const PackedBatch& batch) {
  return {batch.offsets.begin(), batch.offsets.end() - 1};
}

[[nodiscard]] inline std::vector<std::int32_t> last_tokens(const PackedBatch& batch) {
  std::vector<std::int32_t> tokens(batch.offsets.begin() + 1, batch.offsets.end());
  for (std::int32_t& token : tokens) {
    --token;
  }
  return tokens;
}

}  // namespace mlxe
