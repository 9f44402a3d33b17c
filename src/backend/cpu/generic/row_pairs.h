// The register tile of products that multiply two rows by pairs of columns in one instruction.
#pragma once

#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// Such a product P has
//   Blocks         the sums of two rows and a vector of columns, in the order of the instruction
//   load_rows      Words: two of two rows each
//   load           Columns: two words of a vector of columns each, those of a column side by side
//   multiply_add   Blocks of rows and columns
//   split          Blocks to the sums of either row
template <class P>
concept TakesRowPairs = requires { typename P::Blocks; };

/// Words of a column that lie side by side in a panel; then the next column's.
template <class P>
constexpr int kWordsSideBySide = TakesRowPairs<P> ? 2 : 1;

/// As multiply_tile. The last of an odd number of rows is its own partner.
template <class P, int kRows, int kVectors, class Ahead>
inline __attribute__((always_inline)) void multiply_row_pairs(const GemmArgs& args, const std::int32_t* a,
                                                              const std::int32_t* b, Ahead ahead,
                                                              typename P::Accumulator (&sum)[kRows][kVectors]) {
  static_assert(P::kWordsAtOnce == 2 && Ahead::kWords % 2 == 0);
  constexpr int kPairs = (kRows + 1) / 2;
  constexpr int kWords = 2 * P::Vector::kWidth;  // of a vector of columns
  const auto partner = [](int pair) { return 2 * pair + 1 < kRows ? 2 * pair + 1 : 2 * pair; };
  typename P::Blocks blocks[kPairs][kVectors];
#pragma GCC unroll 8
  for (int pair = 0; pair < kPairs; ++pair) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      blocks[pair][j] = P::zero_blocks();
    }
  }
  for (int p = 0; p < args.k_words; p += 2) {
    if (p % Ahead::kWords == 0) {
      ahead.ask();
    }
    typename P::Words rows[kPairs];
#pragma GCC unroll 8
    for (int pair = 0; pair < kPairs; ++pair) {
      rows[pair] = P::load_rows(a + 2 * pair * args.lda, a + partner(pair) * args.lda);
    }
    // Columns outermost: all rows and two registers of columns are at hand beside the sums, not more.
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      const typename P::Columns columns = P::load(b + j * kWords);
#pragma GCC unroll 8
      for (int pair = 0; pair < kPairs; ++pair) {
        blocks[pair][j] = P::multiply_add(rows[pair], columns, blocks[pair][j]);
      }
    }
    a += 2;
    b += kVectors * kWords;
  }
#pragma GCC unroll 8
  for (int pair = 0; pair < kPairs; ++pair) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      P::split(blocks[pair][j], sum[2 * pair][j], sum[partner(pair)][j]);
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
