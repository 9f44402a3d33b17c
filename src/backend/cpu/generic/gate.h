// Joining the halves of a gated layer, written once for every vector type.
#pragma once

#include "backend/cpu/generic/activations.h"
#include "backend/cpu/kernel_table.h"

namespace mlxe::cpu::generic {
namespace {  // each translation unit its own: several compile this with different flags

template <class V, Activation kActivation>
void gate_rows(const GateArgs& args) {
  const V limit = V::set1(args.gate.limit);
  const V lowest = V::set1(-args.gate.limit);
  const V offset = V::set1(args.gate.up_offset);
  const auto join = [&](V g, V u) {
    // g and u are the second operands, as in activations.h: a NaN stays one.
    return activate(kActivation, V::min(limit, g)) * (V::max(lowest, V::min(limit, u)) + offset);
  };
  for (int r = 0; r < args.rows; ++r) {
    const float* g = args.x + r * args.ldx;
    const float* u = g + args.size;
    float* y = args.y + r * args.ldy;
    int i = 0;
    for (; i + V::kWidth <= args.size; i += V::kWidth) {
      join(V::load(g + i), V::load(u + i)).store(y + i);
    }
    if (i < args.size) {
      const int count = args.size - i;
      join(V::load_partial(g + i, count, V::zero()), V::load_partial(u + i, count, V::zero()))
          .store_partial(y + i, count);
    }
  }
}

template <class V>
void gate(const GateArgs& args) {
  switch (args.gate.activation) {
    case Activation::kNone: return gate_rows<V, Activation::kNone>(args);
    case Activation::kGeluErf: return gate_rows<V, Activation::kGeluErf>(args);
    case Activation::kGeluTanh: return gate_rows<V, Activation::kGeluTanh>(args);
    case Activation::kRelu: return gate_rows<V, Activation::kRelu>(args);
    case Activation::kSilu: return gate_rows<V, Activation::kSilu>(args);
    case Activation::kTanh: return gate_rows<V, Activation::kTanh>(args);
    case Activation::kSigmoid: return gate_rows<V, Activation::kSigmoid>(args);
    case Activation::kQuickGelu: return gate_rows<V, Activation::kQuickGelu>(args);
  }
}

}  // namespace
}  // namespace mlxe::cpu::generic
