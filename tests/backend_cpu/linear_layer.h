// A linear layer through the CPU backend, whatever its weights are kept as.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "support/ops_fixture.h"

namespace mlxe::testing {

struct Layer {
  std::vector<LinearPart> parts;
  int in = 0;
  int out = 0;
};

/// GELU of the layer's product of some noise, and the product itself added to it: all of an epilogue.
inline std::vector<float> product(cpu::CpuPrecision precision, int threads, int rows, const Layer& layer) {
  const std::unique_ptr<Backend> backend = cpu::make_cpu_backend({.precision = precision, .threads = threads});
  const LinearWeight weight = backend->linear_weight(layer.parts);
  const EmbeddingTable table = backend->embedding_table(host_tensor(noise(std::max(rows, 1), layer.in, 2)));
  std::vector<std::int32_t> ids;
  for (int row = 0; row < rows; ++row) {
    ids.push_back(row);
  }
  std::vector<float> out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(layer.out));
  backend->run(1, [&](Ops& ops, std::size_t /*task*/) {
    const Tensor x = ops.gather_sum(std::array{Lookup{&table, ids}});
    ops.read(ops.linear(x, weight, Activation::kGeluErf, ops.linear(x, weight)), out);
  });
  return out;
}

}  // namespace mlxe::testing
