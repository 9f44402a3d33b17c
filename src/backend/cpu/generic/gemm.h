// The matrix product on packed panels, written once for every vector type.
#pragma once

#include "backend/cpu/generic/activations.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {

/// A block of kRows x (kVectors * width) products, kept in registers over the whole of k.
template <class V, int kRows, int kVectors>
struct Tile {
  V acc[kRows][kVectors];

  /// One chain of fused multiply-adds per element, p ascending: the promise behind equal bits in any batch.
  inline __attribute__((always_inline)) void multiply(const float* a, std::ptrdiff_t lda, const float* b,
                                                      std::ptrdiff_t ldb, int k) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        acc[r][j] = V::zero();
      }
    }
    for (int p = 0; p < k; ++p) {
      V row[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) {
        row[j] = V::load(b + j * V::kWidth);
      }
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V x = V::set1(a[r * lda]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) {
          acc[r][j] = V::fma(x, row[j], acc[r][j]);
        }
      }
      a += 1;
      b += ldb;
    }
  }
};

/// Bias, activation, residual and store of one vector of outputs; `count` < width at the right edge.
template <class V>
inline __attribute__((always_inline)) void finish_vector(V x, Activation activation, const float* bias,
                                                         const float* residual, float* c, int count) {
  if (bias != nullptr) {
    x = x + V::load(bias);  // padded to whole panels
  }
  x = activate(activation, x);
  if (count == V::kWidth) {
    if (residual != nullptr) {
      x = x + V::load(residual);
    }
    x.store(c);
  } else {
    if (residual != nullptr) {
      x = x + V::load_partial(residual, count, V::zero());
    }
    x.store_partial(c, count);
  }
}

template <class V, int kRows, int kVectors>
void gemm_tile(const GemmArgs& args, const float* a, int row, const float* b, int column) {
  Tile<V, kRows, kVectors> tile;
  tile.multiply(a, args.lda, b, kVectors * V::kWidth, args.k);
  // Through memory: the epilogue's own registers would push the accumulators out one by one.
  alignas(64) float buffer[kRows][kVectors * V::kWidth];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      tile.acc[r][j].store(&buffer[r][j * V::kWidth]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) {
      const int first = column + j * V::kWidth;
      const int left = args.n - first;
      if (left <= 0) {
        break;
      }
      const float* bias = args.bias != nullptr ? args.bias + first : nullptr;
      const float* residual = args.residual != nullptr ? args.residual + (row + r) * args.ldr + first : nullptr;
      finish_vector(V::load(&buffer[r][j * V::kWidth]), args.activation, bias, residual,
                    args.c + (row + r) * args.ldc + first, left < V::kWidth ? left : V::kWidth);
    }
  }
}

template <class V, int kRows, int kVectors>
void gemm_rows(const GemmArgs& args, const float* a, int row, int rows, const float* b, int column) {
  if constexpr (kRows >= 1) {
    if (rows == kRows) {
      gemm_tile<V, kRows, kVectors>(args, a, row, b, column);
    } else {
      gemm_rows<V, kRows - 1, kVectors>(args, a, row, rows, b, column);
    }
  }
}

/// Rows go in tiles of at most kMaxRows, spread evenly; panels outermost within a group of rows that stays in L2.
template <class V, int kMaxRows, int kVectors>
void gemm(const GemmArgs& args) {
  constexpr int kPanel = kVectors * V::kWidth;
  constexpr int kGroupFloats = 96 * 1024;  // 384 KB of a: half of a small L2, the rest is for panels
  int group = args.k > 0 ? kGroupFloats / args.k / kMaxRows * kMaxRows : args.rows;
  if (group < 4 * kMaxRows) {
    group = 4 * kMaxRows;
  }
  for (int group_begin = 0; group_begin < args.rows; group_begin += group) {
    const int group_rows = args.rows - group_begin < group ? args.rows - group_begin : group;
    const int num_tiles = (group_rows + kMaxRows - 1) / kMaxRows;
    for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
      const float* b = args.b + static_cast<std::ptrdiff_t>(panel) * args.k * kPanel;
      int row = group_begin;
      for (int tile = 0; tile < num_tiles; ++tile) {
        const int end = group_begin + static_cast<int>(static_cast<long>(group_rows) * (tile + 1) / num_tiles);
        gemm_rows<V, kMaxRows, kVectors>(args, args.a + row * args.lda, row, end - row, b, panel * kPanel);
        row = end;
      }
    }
  }
}

template <class V, int kVectors>
void pack_panel(const float* w, int count, int k, float* panel) {
  constexpr int kPanel = kVectors * V::kWidth;
  constexpr int kBlock = 16;  // columns at a time: whole cache lines are read, and the writes stay in L1
  for (int begin = 0; begin < k; begin += kBlock) {
    const int end = begin + kBlock < k ? begin + kBlock : k;
    for (int j = 0; j < kPanel; ++j) {
      for (int p = begin; p < end; ++p) {
        panel[static_cast<std::ptrdiff_t>(p) * kPanel + j] =
            j < count ? w[static_cast<std::ptrdiff_t>(j) * k + p] : 0.0F;
      }
    }
  }
}

}  // namespace mlxe::cpu::generic
