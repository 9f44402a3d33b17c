// The matrix product on packed panels, written once for every vector type and precision.
#pragma once

#include "backend/cpu/generic/epilogue.h"
#include "backend/cpu/generic/row_pairs.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

// What a product P says of words along k: kValues in each, kWordsAtOnce that one multiply_add takes, and
// kWordsInRound, a multiple, that a round of the loop takes.

/// Values of a row of k and the zeros after them, in whole steps of multiply_add.
template <class P>
constexpr int padded_values(int k) {
  constexpr int kStep = P::kValues * P::kWordsAtOnce;
  return (k + kStep - 1) / kStep * kStep;
}

/// Products of float32: a word is one value.
template <class V>
struct Fp32Product {
  using Vector = V;
  using Accumulator = V;
  using Words = V;
  static constexpr int kValues = 1;
  static constexpr int kWordsAtOnce = 1;
  static constexpr int kWordsInRound = 1;
  static constexpr bool kScaled = false;
  static constexpr bool kOffset = false;
  static Accumulator zero() { return V::zero(); }
  static Words load(const std::int32_t* p) { return V::load(reinterpret_cast<const float*>(p)); }
  static Words broadcast(const std::int32_t* p) { return V::set1(*reinterpret_cast<const float*>(p)); }
  static Accumulator multiply_add(Words a, Words b, Accumulator sum) { return V::fma(a, b, sum); }
  static V to_float(Accumulator sum) { return sum; }
  /// Vectors of values of which kValues make a word.
  static void store_words(const V (&values)[1], void* p) { values[0].store(static_cast<float*>(p)); }
  /// Vectors of values that follow each other in a row.
  static void store_row(const V (&values)[1], void* p) { values[0].store(static_cast<float*>(p)); }
};

/// What a tile asks for on its way, for the tiles after it: its share of the panel that comes next. Without it the
/// first tile of a panel waits for the L3 cache (on Ice Lake 1,536 features took a fifth longer), or for memory where
/// there are few rows; asked for at once, the panel would hold up what the tile itself reads.
/// Where memory sets the pace, the first tile asks for its own lines a little before it needs them, and all tiles far
/// ahead: for every line, or for one of some where the L2 cache fetches those between by itself, as each line asked for
/// takes a buffer of the L1 cache.
struct Ahead {
  static constexpr int kWords = 4;  // of k, from one request to the next
  static constexpr int kLine = 64;
  static constexpr std::ptrdiff_t kNear = 6 * 1024;
  static constexpr std::ptrdiff_t kFar = 48 * 1024;
  const char* bytes = nullptr;
  std::ptrdiff_t step = 0;
  std::ptrdiff_t stride = kLine;
  std::ptrdiff_t near_step = 0;  // of the tile's own bytes; 0: it reads them from a cache

  inline __attribute__((always_inline)) void ask() {
    for (std::ptrdiff_t i = 0; i < step; i += stride) {
      __builtin_prefetch(bytes + i, 0, 2);
    }
    bytes += step;
  }
  inline __attribute__((always_inline)) void ask_near(const char* own) const {
    for (std::ptrdiff_t i = 0; i < near_step; i += kLine) {
      __builtin_prefetch(own + kNear + i, 0, 3);
    }
  }
};

/// A panel, or the rest of one, of `kColumns` elements for every `kWordsInOne` words of k.
template <class Element, int kColumns, int kWordsInOne>
struct RestOfPanel {
  static constexpr int kBytes = sizeof(Element) / kWordsInOne;  // of a column in a word of k
  const Element* elements = nullptr;

  /// \param word  of k, with which it begins
  RestOfPanel(const char* panel, int word)
      : elements(reinterpret_cast<const Element*>(panel) + word / kWordsInOne * kColumns) {}
  /// Those of the columns from `column` on, `skipped` words of k further on.
  [[nodiscard]] const Element* at(int skipped, int column) const {
    return elements + skipped / kWordsInOne * kColumns + column;
  }
  void skip(int count) { elements += count / kWordsInOne * kColumns; }
  [[nodiscard]] const char* bytes() const { return reinterpret_cast<const char*>(elements); }
};

/// The very words a tile multiplies.
template <class P, int kVectors>
struct PanelOfWords : RestOfPanel<std::int32_t, kVectors * P::Vector::kWidth, 1> {
  using PanelOfWords::RestOfPanel::RestOfPanel;
  /// Vector j of the columns, `skipped` words of k further on.
  [[nodiscard]] inline __attribute__((always_inline)) typename P::Words load(int skipped, int j) const {
    const std::int32_t* words = this->at(skipped, j * P::Vector::kWidth);
    if constexpr (P::kWordsAtOnce == 1) {
      return P::load(words);
    } else {
      return P::load(words, kVectors * P::Vector::kWidth);
    }
  }
};

/// A block of kRows x (kVectors * width) products, kept in registers over the whole of k.
/// One chain of multiply-adds per element, p ascending: the promise behind equal bits in any batch.
/// \param sum  in and out
template <class P, int kRows, int kVectors, class Panel>
inline __attribute__((always_inline)) void multiply_tile(const GemmArgs& args, int k_words, const std::int32_t* a,
                                                         Panel b, Ahead ahead,
                                                         typename P::Accumulator (&sum)[kRows][kVectors]) {
  const auto add = [&](int skipped) __attribute__((always_inline)) {
    typename P::Words row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      row[j] = b.load(skipped, j);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const typename P::Words x = P::broadcast(a + r * args.lda + skipped);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        sum[r][j] = P::multiply_add(x, row[j], sum[r][j]);
      }
    }
  };
  int p = 0;
  for (; p + P::kWordsInRound <= k_words; p += P::kWordsInRound) {
    if (p % Ahead::kWords == 0) {
      ahead.ask();
      ahead.ask_near(b.bytes());
    }
#pragma GCC unroll 4
    for (int i = 0; i < P::kWordsInRound; i += P::kWordsAtOnce) {
      add(i);
    }
    a += P::kWordsInRound;
    b.skip(P::kWordsInRound);
  }
  if constexpr (P::kWordsInRound > P::kWordsAtOnce) {
    if (p < k_words) {
      ahead.ask();
    }
    for (; p < k_words; p += P::kWordsAtOnce) {
      add(0);
      a += P::kWordsAtOnce;
      b.skip(P::kWordsAtOnce);
    }
  }
}

/// Sums of some tiles of a panel, which lie one below the other, on their way through finish_tile. Through memory, as
/// the epilogue's own registers would push the accumulators out one by one; and of several tiles, as the long chain of
/// an activation keeps the next tile from starting.
template <class P, int kMaxRows, int kVectors>
class WaitingTiles {
 public:
  explicit WaitingTiles(const GemmArgs& args) : args_(args), finish_(choose_finish<P, kPanel>(args)) {}

  template <int kRows>
  void add(const typename P::Accumulator (&sum)[kRows][kVectors], int row, int column) {
    if (rows_ + kRows > kMost) {
      finish(column);
    }
    float* out = sums_ + rows_ * kPanel;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        P::to_float(sum[r][j]).store(out + r * kPanel + j * P::Vector::kWidth);
      }
    }
    row_ = rows_ == 0 ? row : row_;
    rows_ += kRows;
  }
  void finish(int column) {
    if (rows_ > 0) {
      finish_(args_, sums_, rows_, row_, column);
      rows_ = 0;
    }
  }

 private:
  static constexpr int kPanel = kVectors * P::Vector::kWidth;
  // On Zen 3 four tiles take 4 to 8 % off a product with GELU; eight are no better.
  static constexpr int kMost = 4 * kMaxRows;

  const GemmArgs& args_;
  const FinishTile finish_;
  int row_ = 0;  // the first of them
  int rows_ = 0;
  alignas(64) float sums_[kMost * kPanel];
};

/// Words [begin, end) of k, and the sums of all rows between one part and the next.
template <class P, int kVectors>
struct Part {
  int begin = 0;
  int end = 0;
  typename P::Accumulator (*sums)[kVectors] = nullptr;
};

template <class P, int kRows, int kMaxRows, int kVectors, class Panel>
void gemm_tile(const GemmArgs& args, const Part<P, kVectors>& part, int row, Panel b, Ahead ahead, int column,
               WaitingTiles<P, kMaxRows, kVectors>& waiting) {
  using V = typename P::Vector;
  typename P::Accumulator sum[kRows][kVectors];
  const std::int32_t* a = static_cast<const std::int32_t*>(args.a) + row * args.lda;
  if constexpr (TakesRowPairs<P>) {
    multiply_row_pairs<P, kRows, kVectors>(args, a, b.elements, ahead, sum);
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        sum[r][j] = part.begin == 0 ? P::zero() : part.sums[row + r][j];
      }
    }
    multiply_tile<P, kRows, kVectors>(args, part.end - part.begin, a + part.begin, b, ahead, sum);
    if (part.end < args.k_words) {
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          part.sums[row + r][j] = sum[r][j];
        }
      }
      return;
    }
  }
  if (args.activation != Activation::kNone || args.c_words != nullptr || column + kVectors * V::kWidth > args.n) {
    return waiting.template add<kRows>(sum, row, column);
  }
  waiting.finish(column);  // those that wait must not have a gap
  return args.residual != nullptr ? store_tile<P, kRows, kVectors, true>(args, sum, row, column)
                                  : store_tile<P, kRows, kVectors, false>(args, sum, row, column);
}

template <class P, int kRows, int kMaxRows, int kVectors, class Panel>
void gemm_rows(const GemmArgs& args, const Part<P, kVectors>& part, int row, int rows, Panel b, Ahead ahead, int column,
               WaitingTiles<P, kMaxRows, kVectors>& waiting) {
  if constexpr (kRows >= 1) {
    if (rows == kRows) {
      gemm_tile<P, kRows>(args, part, row, b, ahead, column, waiting);
    } else {
      gemm_rows<P, kRows - 1>(args, part, row, rows, b, ahead, column, waiting);
    }
  }
}

/// Rows go in tiles of at most kMaxRows, spread evenly; panels outermost within a group of rows that stays in L2.
/// The few rows of a query meet a panel part by part, each of which stays in L1 from the first tile to the last: on
/// Emerald Rapids 12 rows take 0.82 of the time, from 20 rows on nothing is gained.
/// \tparam Panel  what args.b holds
template <class P, int kMaxRows, int kVectors, class Panel = PanelOfWords<P, kVectors>>
void gemm(const GemmArgs& args) {
  constexpr int kPanel = kVectors * P::Vector::kWidth;
  constexpr int kGroupWords = 96 * 1024;  // 384 KB of a: half of a small L2, the rest is for panels
  constexpr int kFewRows = 16;
  constexpr int kPartBytes = 16 * 1024;
  constexpr int kPartWords = kPartBytes / Panel::kBytes / kPanel / Ahead::kWords * Ahead::kWords;  // of k
  constexpr std::ptrdiff_t kBytes = Ahead::kWords * kPanel * Panel::kBytes;
  const std::ptrdiff_t panel_bytes = args.panel_words > 0
                                         ? args.panel_words * static_cast<std::ptrdiff_t>(sizeof(std::int32_t))
                                         : static_cast<std::ptrdiff_t>(args.k_words) * kPanel * Panel::kBytes;
  int group = args.k_words > 0 ? kGroupWords / args.k_words / kMaxRows * kMaxRows : args.rows;
  if (group < 4 * kMaxRows) {
    group = 4 * kMaxRows;
  }
  const bool in_parts = args.rows <= kFewRows && args.ahead_end > 0 && !TakesRowPairs<P>;
  typename P::Accumulator sums[kFewRows][kVectors];
  WaitingTiles<P, kMaxRows, kVectors> waiting(args);
  for (int group_begin = 0; group_begin < args.rows; group_begin += group) {
    const int group_rows = args.rows - group_begin < group ? args.rows - group_begin : group;
    const int num_tiles = (group_rows + kMaxRows - 1) / kMaxRows;
    for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
      const char* b = static_cast<const char*>(args.b) + panel * panel_bytes;
      Ahead ahead;
      if (panel + 1 < args.ahead_end) {
        ahead = {b + panel_bytes, kBytes / num_tiles};
      } else if (args.ahead_end > 0 && group_begin + group < args.rows) {
        ahead = {b - (panel - args.panel_begin) * panel_bytes, kBytes / num_tiles};
      } else if (args.next != nullptr) {
        const std::ptrdiff_t bytes = args.k_words > 0 ? args.next_bytes * Ahead::kWords / args.k_words : 0;
        ahead = {static_cast<const char*>(args.next), ((bytes < kBytes ? bytes : kBytes) + num_tiles - 1) / num_tiles};
      }
      Part<P, kVectors> part{0, 0, sums};
      do {
        part.begin = part.end;
        part.end = in_parts && args.k_words - part.begin > kPartWords ? part.begin + kPartWords : args.k_words;
        if (in_parts) {
          const char* own = b + static_cast<std::ptrdiff_t>(part.begin) * kPanel * Panel::kBytes;
          const std::ptrdiff_t left = (args.k_words - part.begin) * kBytes / Ahead::kWords;
          const bool to_next = left <= Ahead::kFar && panel + 1 == args.ahead_end && args.next != nullptr;
          ahead = {to_next ? static_cast<const char*>(args.next) + (Ahead::kFar - left) : own + Ahead::kFar,
                   kBytes / num_tiles, args.lines_per_request * Ahead::kLine};
        }
        int row = group_begin;
        for (int tile = 0; tile < num_tiles; ++tile) {
          const int end = group_begin + static_cast<int>(static_cast<long>(group_rows) * (tile + 1) / num_tiles);
          ahead.near_step = in_parts && tile == 0 ? kBytes : 0;
          gemm_rows<P, kMaxRows>(args, part, row, end - row, Panel(b, part.begin), ahead, panel * kPanel, waiting);
          ahead.bytes += (part.end - part.begin + Ahead::kWords - 1) / Ahead::kWords * ahead.step;
          row = end;
        }
      } while (part.end < args.k_words);
      waiting.finish(panel * kPanel);
    }
  }
}

/// Float32 panels.
template <int kPanel>
void pack_panel_fp32(const float* w, int count, int k, void* panel, float* /*column_scale*/, float* /*column_sum*/) {
  float* out = static_cast<float*>(panel);
  constexpr int kBlock = 16;  // columns at a time: whole cache lines are read, and the writes stay in L1
  for (int begin = 0; begin < k; begin += kBlock) {
    const int end = begin + kBlock < k ? begin + kBlock : k;
    for (int j = 0; j < kPanel; ++j) {
      for (int p = begin; p < end; ++p) {
        out[static_cast<std::ptrdiff_t>(p) * kPanel + j] = j < count ? w[static_cast<std::ptrdiff_t>(j) * k + p] : 0.0F;
      }
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
