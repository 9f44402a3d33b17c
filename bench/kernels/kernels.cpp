// GEMM, attention, layer norm and GELU at the shapes of MiniLM and BERT-base.
#include "kernels/kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backend/cpu/instruction_set.h"
#include "backend/cpu/prepare_row.h"
#include "kernels/aligned_floats.h"

namespace mlxe::bench {
namespace {

/// A linear layer of a model.
struct Layer {
  const char* name;
  int n;
  int k;
  Activation activation = Activation::kNone;
};

constexpr Layer kLayers[] = {
    {"minilm_qkv", 1152, 384},
    {"minilm_out", 384, 384},
    {"minilm_up", 1536, 384, Activation::kGeluErf},
    {"minilm_down", 384, 1536},
    {"bert_base_qkv", 2304, 768},
    {"bert_base_out", 768, 768},
    {"bert_base_up", 3072, 768, Activation::kGeluErf},
    {"bert_base_down", 768, 3072},
};

/// An attention layer of a model.
struct Heads {
  const char* name;
  int num_heads;
  int head_dim;
};

constexpr Heads kHeads[] = {{"minilm", 12, 32}, {"bert_base", 12, 64}};

void set_rate(benchmark::State& state, const char* counter, double work) {
  state.counters[counter] =
      benchmark::Counter(work * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

std::size_t area(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

/// What GemmArgs points to, at any precision.
struct Product {
  int k;  // with what is added to rows
  AlignedFloats words;
  AlignedFloats row_scale;
  AlignedFloats row_offset;
  AlignedFloats panels;
  AlignedFloats column_scale;
  AlignedFloats column_sum;
  AlignedFloats bias;
  AlignedFloats c;
  cpu::GemmArgs args;

  Product(const cpu::MatrixKernels& kernels, const Layer& layer, int rows)
      : k(cpu::packed_features(kernels, layer.k)),
        words(area(rows, cpu::num_words(kernels, k))),
        row_scale(area(1, rows)),
        row_offset(area(1, rows)),
        panels(area(padded_n(kernels, layer), cpu::num_words(kernels, k))),
        column_scale(area(1, padded_n(kernels, layer))),
        column_sum(area(1, padded_n(kernels, layer))),
        bias(random_floats(area(1, padded_n(kernels, layer)), 1.0F)),
        c(area(rows, layer.n)) {
    const AlignedFloats weight = random_floats(area(layer.n, k), 0.05F);
    const int num_k_words = cpu::num_words(kernels, k);
    for (int first = 0; first < layer.n; first += kernels.panel_width) {
      kernels.pack_panel(weight.data() + area(first, k), std::min(kernels.panel_width, layer.n - first), k,
                         panels.data() + area(first, num_k_words), column_scale.data() + first,
                         column_sum.data() + first);
    }
    args.lda = num_k_words;
    args.b = panels.data();
    args.k_words = num_k_words;
    args.bias = bias.data();
    args.c = c.data();
    args.ldc = layer.n;
    args.rows = rows;
    args.n = layer.n;
    args.panel_end = padded_n(kernels, layer) / kernels.panel_width;
    args.ahead_end = args.panel_end;
    args.lines_per_request = cpu::lines_per_request();
    args.activation = layer.activation;
    args.row_scale = row_scale.data();
    args.column_scale = column_scale.data();
    args.row_offset = row_offset.data();
    args.column_sum = column_sum.data();
  }

  static int padded_n(const cpu::MatrixKernels& kernels, const Layer& layer) {
    return (layer.n + kernels.panel_width - 1) / kernels.panel_width * kernels.panel_width;
  }
};

/// A linear layer as the backend runs it: float32 in, float32 out, rows converted on the way where they must be.
void gemm(benchmark::State& state, const cpu::MatrixKernels& kernels, const Layer& layer, int rows) {
  Product product(kernels, layer, rows);
  const AlignedFloats x = random_floats(area(rows, layer.k), 1.0F);
  AlignedFloats room(area(1, product.k));
  product.args.a = kernels.prepare_rows == nullptr ? x.data() : product.words.data();
  for (auto _ : state) {
    for (int row = 0; row < rows && kernels.prepare_rows != nullptr; ++row) {
      cpu::prepare_row(kernels, x.data() + area(row, layer.k), layer.k, room.data(),
                       product.words.data() + row * product.args.lda, product.row_scale.data() + row,
                       product.row_offset.data() + row);
    }
    kernels.gemm(product.args);
    benchmark::ClobberMemory();
  }
  set_rate(state, kOperationsCounter, 2.0 * rows * layer.n * layer.k);
}

/// All heads of one text of `length` tokens, out of one matrix of queries, keys and values as the models have it.
void attention(benchmark::State& state, const cpu::AttentionKernels& kernels, const Heads& heads, int length) {
  const int width = heads.num_heads * heads.head_dim;
  const AlignedFloats qkv = random_floats(area(length, 3 * width), 1.0F);
  AlignedFloats out(area(length, width));
  AlignedFloats scratch(kernels.scratch_floats({.length = length, .head_dim = heads.head_dim}));
  for (auto _ : state) {
    for (int head = 0; head < heads.num_heads; ++head) {
      const float* q = qkv.data() + head * heads.head_dim;
      cpu::AttentionArgs args;
      args.q = q;
      args.k = q + width;
      args.v = q + 2 * width;
      args.ldq = args.ldk = args.ldv = 3 * width;
      args.out = out.data() + head * heads.head_dim;
      args.ldo = width;
      args.length = length;
      args.query_end = args.length;
      args.key_length = args.length;
      args.head_dim = heads.head_dim;
      args.scale = 0.125F;
      args.scratch = scratch.data();
      kernels.attention(args);
    }
    benchmark::ClobberMemory();
  }
  set_rate(state, kOperationsCounter, 4.0 * length * length * width);
}

void layer_norm(benchmark::State& state, const cpu::VectorKernels& kernels, int rows, int size) {
  const AlignedFloats x = random_floats(area(rows, size), 1.0F);
  const AlignedFloats scale = random_floats(area(1, size), 1.0F);
  AlignedFloats y(area(rows, size));
  cpu::LayerNormArgs args;
  args.x = x.data();
  args.ldx = size;
  args.y = y.data();
  args.ldy = size;
  args.scale = scale.data();
  args.shift = scale.data();
  args.eps = 1e-12F;
  args.rows = rows;
  args.size = size;
  for (auto _ : state) {
    kernels.layer_norm(args);
    benchmark::ClobberMemory();
  }
  set_rate(state, kBytesCounter, 2.0 * sizeof(float) * static_cast<double>(area(rows, size)));
}

/// GELU alone, from a fresh copy each time: applied again and again in place its inputs would shrink to zeros.
void gelu(benchmark::State& state, const cpu::VectorKernels& kernels, std::size_t count) {
  const AlignedFloats x = random_floats(count, 2.0F);
  AlignedFloats y(count);
  for (auto _ : state) {
    std::memcpy(y.data(), x.data(), count * sizeof(float));
    kernels.activate(Activation::kGeluErf, y.data(), count);
    benchmark::ClobberMemory();
  }
  set_rate(state, kBytesCounter, 2.0 * sizeof(float) * static_cast<double>(count));
}

/// What memory-bound kernels are compared with: the same bytes, only moved.
void copy(benchmark::State& state, std::size_t count) {
  const AlignedFloats x = random_floats(count, 1.0F);
  AlignedFloats y(count);
  for (auto _ : state) {
    std::memcpy(y.data(), x.data(), count * sizeof(float));
    benchmark::ClobberMemory();
  }
  set_rate(state, kBytesCounter, 2.0 * sizeof(float) * static_cast<double>(count));
}

template <typename Body>
void add(const std::string& name, const Body& body) {
  benchmark::RegisterBenchmark(name.c_str(), body);
}

}  // namespace

void register_kernels(const cpu::KernelTable& table) {
  // One token, the query of `bench encode`, a usual micro-batch and a large one.
  for (const cpu::MatrixKernels* kernels : {table.fp32, table.bf16, table.int16, table.int8}) {
    for (const Layer& layer : kLayers) {
      for (const int rows : {1, 12, 256, 512}) {
        if (kernels != nullptr) {
          add(fmt::format("gemm/{}/{}/{}", kernels->precision, layer.name, rows),
              [kernels, layer, rows](benchmark::State& state) { gemm(state, *kernels, layer, rows); });
        }
      }
    }
  }
  const cpu::VectorKernels& vector = *table.vector;
  for (const Heads& heads : kHeads) {
    for (const int length : {22, 128, 512}) {
      for (const auto& [precision, kernels] :
           {std::pair("fp32", table.attention_fp32), std::pair("bf16", table.attention_bf16),
            std::pair("int16", table.attention_int16)}) {
        if (kernels != nullptr) {
          add(fmt::format("attention/{}/{}/{}", precision, heads.name, length),
              [kernels = kernels, heads, length](benchmark::State& state) {
                attention(state, *kernels, heads, length);
              });
        }
      }
    }
  }
  constexpr int kRows = 256;
  constexpr int kHidden = 384;
  constexpr int kInner = 1536;
  add(fmt::format("copy/{}x{}", kRows, kHidden), [](benchmark::State& state) { copy(state, area(kRows, kHidden)); });
  add(fmt::format("layer_norm/{}x{}", kRows, kHidden),
      [&vector](benchmark::State& state) { layer_norm(state, vector, kRows, kHidden); });
  add(fmt::format("copy/{}x{}", kRows, kInner), [](benchmark::State& state) { copy(state, area(kRows, kInner)); });
  add(fmt::format("gelu/{}x{}", kRows, kInner),
      [&vector](benchmark::State& state) { gelu(state, vector, area(kRows, kInner)); });
}

}  // namespace mlxe::bench
