// What follows the sums of a product while they are stored: scale, bias, activation, residual; or words for a reader.
#pragma once

#include "backend/cpu/generic/activations.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

/// A sum before the activation.
/// \param column_scale, column_sum  of the same columns; of scaled products only
template <class P>
inline __attribute__((always_inline)) typename P::Vector scale_sum(const GemmArgs& args, typename P::Vector x, int row,
                                                                   typename P::Vector column_scale,
                                                                   typename P::Vector column_sum) {
  using V = typename P::Vector;
  if constexpr (P::kScaled) {
    const V scale = V::set1(args.row_scale[row]);
    if constexpr (P::kOffset) {
      return V::fma(x, scale, V::set1(args.row_offset[row]) * column_sum) * column_scale;
    }
    return x * scale * column_scale;
  }
  return x;
}

/// A vector of sums that lie in memory: floats, unless P says otherwise.
template <class P>
inline __attribute__((always_inline)) typename P::Vector load_sums(const float* p) {
  if constexpr (requires { P::load_sums(p); }) {
    return P::load_sums(p);
  } else {
    return P::Vector::load(p);
  }
}

/// Scale, bias, activation, residual and store of `rows` rows of sums; what a column needs is loaded once.
/// \param sums  [rows, kStride]
template <class P, Activation kActivation, bool kResidual, int kStride>
void finish_tile(const GemmArgs& args, const float* sums, int rows, int row, int column) {
  using V = typename P::Vector;
  for (int j = 0; j < kStride && column + j < args.n; j += V::kWidth) {
    const int first = column + j;
    const int count = args.n - first < V::kWidth ? args.n - first : V::kWidth;
    const V bias = args.bias != nullptr ? V::load(args.bias + first) : V::zero();  // padded to whole panels
    V column_scale = V::zero();
    V column_sum = V::zero();
    if constexpr (P::kScaled) {
      column_scale = V::load(args.column_scale + first);
    }
    if constexpr (P::kOffset) {
      column_sum = V::load(args.column_sum + first);
    }
    for (int r = 0; r < rows; ++r) {
      V x = scale_sum<P>(args, load_sums<P>(sums + r * kStride + j), row + r, column_scale, column_sum);
      x = activate<V, !P::kOffset>(kActivation, x + bias);  // at int8 the sum itself is coarser by far
      float* c = args.c + (row + r) * args.ldc + first;
      const float* residual = kResidual ? args.residual + (row + r) * args.ldr + first : nullptr;
      if (count == V::kWidth) {
        (kResidual ? x + V::load(residual) : x).store(c);
      } else {
        (kResidual ? x + V::load_partial(residual, count, V::zero()) : x).store_partial(c, count);
      }
    }
  }
}

/// Whether a row of sums can become words of P as it is: at int8 and int16 its steps would have to be known.
template <class P>
constexpr bool kWritesWords = P::kValues == 2 && !P::kScaled;

/// As finish_tile, to words: whole panels.
template <class P, Activation kActivation, int kStride>
void finish_words(const GemmArgs& args, const float* sums, int rows, int row, int column) {
  using V = typename P::Vector;
  constexpr int kTogether = kStride % (2 * V::kWidth) == 0 ? 2 : 1;
  for (int j = 0; j < kStride; j += kTogether * V::kWidth) {
    V bias[kTogether];
#pragma GCC unroll 2
    for (int i = 0; i < kTogether; ++i) {
      bias[i] = args.bias != nullptr ? V::load(args.bias + column + j + i * V::kWidth) : V::zero();
    }
    for (int r = 0; r < rows; ++r) {
      V x[kTogether];
#pragma GCC unroll 2
      for (int i = 0; i < kTogether; ++i) {
        x[i] = activate<V, false>(kActivation, load_sums<P>(sums + r * kStride + j + i * V::kWidth) + bias[i]);
      }
      std::int32_t* words = args.c_words + (row + r) * args.ldc + (column + j) / P::kValues;
      if constexpr (kTogether == 2) {
        P::store_row(x, words);
      } else {
        P::store_narrow(x[0], words);
      }
    }
  }
}

using FinishTile = void (*)(const GemmArgs& args, const float* sums, int rows, int row, int column);

template <class P, Activation kActivation, int kStride>
FinishTile choose_finish(const GemmArgs& args) {
  if constexpr (kWritesWords<P>) {
    if (args.c_words != nullptr) {
      return finish_words<P, kActivation, kStride>;
    }
  }
  return args.residual != nullptr ? finish_tile<P, kActivation, true, kStride>
                                  : finish_tile<P, kActivation, false, kStride>;
}

/// One decision for a product, none for a vector.
template <class P, int kStride>
FinishTile choose_finish(const GemmArgs& args) {
  switch (args.activation) {
    case Activation::kNone: break;
    case Activation::kGeluErf: return choose_finish<P, Activation::kGeluErf, kStride>(args);
    case Activation::kGeluTanh: return choose_finish<P, Activation::kGeluTanh, kStride>(args);
    case Activation::kRelu: return choose_finish<P, Activation::kRelu, kStride>(args);
    case Activation::kSilu: return choose_finish<P, Activation::kSilu, kStride>(args);
    case Activation::kTanh: return choose_finish<P, Activation::kTanh, kStride>(args);
    case Activation::kSigmoid: return choose_finish<P, Activation::kSigmoid, kStride>(args);
    case Activation::kQuickGelu: return choose_finish<P, Activation::kQuickGelu, kStride>(args);
  }
  return choose_finish<P, Activation::kNone, kStride>(args);
}

/// As finish_tile, for whole panels without an activation: straight from the registers.
template <class P, int kRows, int kVectors, bool kResidual>
inline __attribute__((always_inline)) void store_tile(const GemmArgs& args,
                                                      const typename P::Accumulator (&sum)[kRows][kVectors], int row,
                                                      int column) {
  using V = typename P::Vector;
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    const int first = column + j * V::kWidth;
    const V bias = args.bias != nullptr ? V::load(args.bias + first) : V::zero();
    const V column_scale = P::kScaled ? V::load(args.column_scale + first) : V::zero();
    const V column_sum = P::kOffset ? V::load(args.column_sum + first) : V::zero();
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      V x = scale_sum<P>(args, P::to_float(sum[r][j]), row + r, column_scale, column_sum) + bias;
      if constexpr (kResidual) {
        x = x + V::load(args.residual + (row + r) * args.ldr + first);
      }
      x.store(args.c + (row + r) * args.ldc + first);
    }
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
