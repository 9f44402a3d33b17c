// The matrix product by tiles, for both precisions that AMX has.
#pragma once

#include "backend/cpu/amx/tiles.h"
#include "backend/cpu/generic/gemm.h"

namespace mlxe::cpu::amx {
namespace {  // each translation unit its own

constexpr int kBlockRows = 2 * kTileRows;
constexpr int kPanel = 2 * kTileWords;

/// Sums of kTilesDown by two tiles, into the tiles. Each is one chain over k.
/// \param a, second  where the rows of either tile begin; rows are lda words apart
/// \param b          a panel
/// \param between    between() is called in each step of k, where tiles are loaded but not multiplied yet: with a load
///                   among the products they took a fifth longer
template <class P, int kTilesDown, class F>
inline __attribute__((always_inline)) void multiply_block(int k_words, const std::int32_t* a,
                                                          const std::int32_t* second, std::ptrdiff_t lda,
                                                          const std::int32_t* b, const F& between) {
  zero_tile<0>();
  zero_tile<1>();
  if constexpr (kTilesDown == 2) {
    zero_tile<2>();
    zero_tile<3>();
  }
  for (int p = 0; p < k_words; p += kTileWords) {
    load_tile<6>(b + p * kPanel, kPanel);
    load_tile<7>(b + p * kPanel + kTileWords, kPanel);
    stream_tile<4>(a + p, lda);
    if constexpr (kTilesDown == 2) {
      stream_tile<5>(second + p, lda);
    }
    between();
    P::template multiply_tiles<0, 4, 6>();
    P::template multiply_tiles<1, 4, 7>();
    if constexpr (kTilesDown == 2) {
      P::template multiply_tiles<2, 5, 6>();
      P::template multiply_tiles<3, 5, 7>();
    }
  }
}

/// The sums, to where the rows of either tile begin.
template <int kTilesDown>
inline __attribute__((always_inline)) void store_block(float* first, float* second, std::ptrdiff_t stride) {
  store_tile<0>(first, stride);
  store_tile<1>(first + kTileWords, stride);
  if constexpr (kTilesDown == 2) {
    store_tile<2>(second, stride);
    store_tile<3>(second + kTileWords, stride);
  }
}

/// Results that do not fit into an L2 cache of 2 MB beside all else are asked for while their block is multiplied: of
/// Qwen3's 6,144 columns the product took 0.72 to 0.93 of the time then, those of 1,536 columns 1.00 to 1.04.
class ResultLines {
 public:
  explicit ResultLines(const GemmArgs& args)
      : args_(args),
        are_far_(args.c_words == nullptr && static_cast<std::ptrdiff_t>(args.rows) * args.n > kFarFloats) {}

  /// Those of a block.
  /// \param steps  of advance() that will follow
  void expect(int row, int rows, int column, int steps) {
    if (are_far_) {
      next_ = args_.c + row * args_.ldc + column;
      left_ = rows;
      per_step_ = (rows + steps - 1) / steps;
    }
  }
  inline __attribute__((always_inline)) void advance() {
    for (int i = 0; i < per_step_ && left_ > 0; ++i, --left_) {
      __builtin_prefetch(next_, 1, 2);
      __builtin_prefetch(next_ + kTileWords, 1, 2);
      next_ += args_.ldc;
    }
  }

 private:
  static constexpr std::ptrdiff_t kFarFloats = std::ptrdiff_t{640} << 10;

  const GemmArgs& args_;
  const bool are_far_;
  const float* next_ = nullptr;
  int left_ = 0;
  int per_step_ = 0;
};

/// The sums of one block on their way through the epilogue, which is taken along bit by bit while the next block is
/// multiplied: tiles have a unit of their own, which the vectors' leave alone.
template <class P>
class PendingBlock {
 public:
  explicit PendingBlock(const GemmArgs& args) : args_(args), finish_(generic::choose_finish<P, kPanel>(args)) {}

  /// Takes sums out of the tiles. There must be none pending.
  /// \param row    where the block's first row is
  /// \param first  rows before this one are others' already
  /// \param rows   of the block; where it is two tiles, the second one's last row is the last
  /// \param steps  of advance() that will follow
  template <int kTilesDown>
  void take(int row, int first, int rows, int column, int steps) {
    store_block<kTilesDown>(sums_, sums_ + (rows - kTileRows) * kPanel, kPanel);  // equal where rows are in both tiles
    row_ = row;
    next_ = first;
    end_ = rows;
    column_ = column;
    per_step_ = (end_ - next_ + steps - 1) / steps;
  }
  inline __attribute__((always_inline)) void advance() {
    if (next_ < end_) {
      finish(end_ - next_ < per_step_ ? end_ - next_ : per_step_);
    }
  }
  void finish_all() {
    if (next_ < end_) {
      finish(end_ - next_);
    }
  }

 private:
  inline __attribute__((always_inline)) void finish(int rows) {
    finish_(args_, sums_ + next_ * kPanel, rows, row_ + next_, column_);
    next_ += rows;
  }

  const GemmArgs& args_;
  const generic::FinishTile finish_;
  int row_ = 0;
  int next_ = 0;  // rows of the block
  int end_ = 0;
  int column_ = 0;
  int per_step_ = 0;
  alignas(64) float sums_[kBlockRows * kPanel];
};

/// Rows of one block. Tiles reach back to rows of the block before, rather than end early: a change of their shapes
/// takes as long as a quarter of a block.
struct RowBlock {
  int begin = 0;   // the first row of its tiles
  int first = 0;   // the first row that is its own, from begin on
  int rows = 0;    // from begin on
  int second = 0;  // from its first tile to its second one; 0: it has one
};

/// The block at `row` of rows [.., end), of which there are at least 16 or all.
inline RowBlock block_at(int row, int end, int all) {
  const int left = end - row;
  if (left > kTileRows) {
    const int rows = left < kBlockRows ? left : kBlockRows;
    return {row, 0, rows, rows - kTileRows};
  }
  const int tile = all < kTileRows ? all : kTileRows;
  return {end - tile, tile - left, tile, 0};
}

template <class P>
void gemm(const GemmArgs& args) {
  if (args.rows == 0) {
    return;  // there are no tiles without rows
  }
  constexpr int kGroupWords = 192 * 1024;  // 768 KB of a, in an L2 cache of 2 MB
  const std::ptrdiff_t panel_words =
      args.panel_words > 0 ? args.panel_words : static_cast<std::ptrdiff_t>(args.k_words) * kPanel;
  const int steps = args.k_words / kTileWords;
  int group = steps > 0 ? kGroupWords / args.k_words / kBlockRows * kBlockRows : args.rows;
  group = group < 4 * kBlockRows ? 4 * kBlockRows : group;
  const TileShapes shapes(args.rows < kTileRows ? args.rows : kTileRows);
  PendingBlock<P> pending(args);
  ResultLines results(args);
  for (int group_begin = 0; group_begin < args.rows; group_begin += group) {
    const int group_end = args.rows - group_begin < group ? args.rows : group_begin + group;
    const int num_blocks = (group_end - group_begin + kBlockRows - 1) / kBlockRows;
    for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
      const std::int32_t* b = static_cast<const std::int32_t*>(args.b) + panel * panel_words;
      constexpr std::ptrdiff_t kBytes = kTileWords * kPanel * sizeof(std::int32_t);
      generic::Ahead ahead;
      if (panel + 1 < args.ahead_end) {
        ahead = {reinterpret_cast<const char*>(b + panel_words), kBytes / num_blocks};
      } else if (args.ahead_end > 0 && group_end < args.rows) {
        ahead = {reinterpret_cast<const char*>(b - (panel - args.panel_begin) * panel_words), kBytes / num_blocks};
      } else if (args.next != nullptr) {
        ahead = {static_cast<const char*>(args.next), kBytes / num_blocks};
      }
      for (int row = group_begin; row < group_end; row += kBlockRows) {
        const RowBlock block = block_at(row, group_end, args.rows);
        const std::int32_t* a = static_cast<const std::int32_t*>(args.a) + block.begin * args.lda;
        const int column = panel * kPanel;
        results.expect(block.begin, block.rows, column, steps);
        const auto multiply = [&]<int kTilesDown>() __attribute__((always_inline)) {
          multiply_block<P, kTilesDown>(args.k_words, a, a + block.second * args.lda, args.lda, b, [&] {
            ahead.ask();
            results.advance();
            pending.advance();
          });
          pending.finish_all();
          pending.template take<kTilesDown>(block.begin, block.first, block.rows, column, steps);
        };
        if (block.second > 0) {
          multiply.template operator()<2>();
        } else {
          multiply.template operator()<1>();
        }
      }
    }
  }
  pending.finish_all();
}

}  // namespace
}  // namespace mlxe::cpu::amx
