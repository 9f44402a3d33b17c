// CpuOps: matrix products, shared out over a team where it has more than one member.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_tensor.h"
#include "backend/cpu/cpu_weights.h"

namespace mlxe::cpu {
namespace {

/// int8 has 255 steps from a row's smallest value to its largest. Some tokens have a feature or two that are hundreds
/// of times as large as the others, and the others are lost. Features of so many mean magnitudes are multiplied apart.
/// MiniLM has them in 5 % of its rows; mean cosine over 4,000 sentences with AVX2, and speed:
///   none apart  0.99829  1.00
///   64          0.99878  0.99
///   32          0.99879  0.99
///   16          0.99884  0.89
constexpr float kStandsOut = 32.0F;

/// Some features of a row.
struct Features {
  std::vector<std::int32_t> indices;
  std::vector<float> values;
};

/// Those of magnitudes above `limit`; they become zero in `row`.
Features take_large(std::vector<float>& row, float limit) {
  constexpr std::size_t kBlock = 16;  // looked at together, as nearly all have none
  Features large;
  for (std::size_t begin = 0; begin < row.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, row.size());
    int count = 0;
    for (std::size_t p = begin; p < end; ++p) {
      count += std::abs(row[p]) > limit ? 1 : 0;
    }
    for (std::size_t p = begin; p < end && count > 0; ++p) {
      if (std::abs(row[p]) > limit) {
        large.indices.push_back(static_cast<std::int32_t>(p));
        large.values.push_back(std::exchange(row[p], 0.0F));
      }
    }
  }
  return large;
}

}  // namespace

/// Activations as words, and what scaled kernels know of their rows.
struct CpuOps::PreparedRows {
  PreparedRows(Arena& arena, int num_rows, int k_words)
      : rows(num_rows),
        ld_words(spread(k_words)),
        words_(arena, static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(ld_words), 1),
        facts_(arena, static_cast<std::size_t>(num_rows), 3),
        rests_(static_cast<std::size_t>(num_rows)),
        rest_of_row_(static_cast<std::size_t>(num_rows)) {}
  [[nodiscard]] float* words(int row) const { return words_.of(0) + row * ld_words; }
  [[nodiscard]] float* scale() const { return facts_.of(0); }
  [[nodiscard]] float* offset() const { return facts_.of(1); }
  [[nodiscard]] float* mean() const { return facts_.of(2); }
  void set(GemmArgs& args) const {
    args.a = words(0);
    args.lda = ld_words;
    args.row_scale = scale();
    args.row_offset = offset();
    args.rest = rest_of_row_.data();
  }
  /// Room for what is added to a row's sums.
  [[nodiscard]] float* make_rest(int row, int columns) {
    std::vector<float>& rest = rests_[static_cast<std::size_t>(row)];
    rest.resize(static_cast<std::size_t>(columns));
    rest_of_row_[static_cast<std::size_t>(row)] = rest.data();
    return rest.data();
  }

  int rows;
  std::ptrdiff_t ld_words;

 private:
  Scratch words_;
  Scratch facts_;
  std::vector<std::vector<float>> rests_;  // empty for most rows
  std::vector<const float*> rest_of_row_;
};

Tensor CpuOps::linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) {
  check_linear(x, weight, residual);
  const auto& packed = static_cast<const PackedLinear&>(*weight.storage);
  const MatrixKernels& kernels = *packed.kernels;
  Tensor result = make(x.rows(), weight.out_features);
  GemmArgs args;
  args.a = cpu(x).data;
  args.lda = cpu(x).ld;
  args.b = packed.panels.data;  // null where they are quantised
  args.k_words = packed.k_words;
  args.bias = packed.bias.empty() ? nullptr : packed.bias.data();
  if (!residual.empty()) {
    args.residual = cpu(residual).data;
    args.ldr = cpu(residual).ld;
  }
  args.c = cpu(result).data;
  args.ldc = cpu(result).ld;
  args.rows = x.rows();
  args.n = weight.out_features;
  args.panel_end = packed.num_panels;
  args.ahead_end = packed.num_panels;
  args.activation = activation;

  if (kernels.prepare_rows == nullptr) {
    multiply_panels(packed, weight.in_features, args);
    return result;
  }
  PreparedRows rows(arena_, x.rows(), packed.k_words);
  prepare(packed, x, rows);
  rows.set(args);
  args.column_scale = packed.column_scale.data();
  args.column_sum = packed.column_sum.data();
  multiply_panels(packed, weight.in_features, args);
  return result;
}

void CpuOps::prepare(const PackedLinear& weight, const Tensor& x, PreparedRows& rows) {
  const MatrixKernels& kernels = *weight.kernels;
  const int k = x.columns();
  const auto prepare_rows = [&](const float* values, int first, int count) {
    kernels.prepare_rows(values, cpu(x).ld, count, k, rows.words(first), rows.ld_words, rows.scale() + first,
                         rows.offset() + first, rows.mean() + first);
  };
  for_rows(x.rows(), [&](int begin, int end) {
    prepare_rows(cpu(x).data + begin * cpu(x).ld, begin, end - begin);
    for (int row = begin; row < end && kernels.multiply_features != nullptr; ++row) {
      const float limit = kStandsOut * rows.mean()[row];
      const float range = 255.0F * rows.scale()[row];
      if (limit == 0.0F || !(range > limit)) {  // NaN too
        continue;
      }
      const float* values = cpu(x).data + row * cpu(x).ld;
      std::vector<float> others(values, values + k);
      const Features large = take_large(others, limit);
      if (large.indices.empty()) {
        continue;
      }
      prepare_rows(others.data(), row, 1);
      kernels.multiply_features({.features = large.indices.data(),
                                 .values = large.values.data(),
                                 .count = static_cast<int>(large.indices.size()),
                                 .b = weight.panels.data,
                                 .k_words = weight.k_words,
                                 .num_panels = weight.num_panels,
                                 .column_scale = weight.column_scale.data(),
                                 .out = rows.make_rest(row, weight.num_panels * kernels.panel_width)});
    }
  });
}

Tensor CpuOps::gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) {
  check_gated_linear(weight, gate);
  const Tensor halves = linear(x, weight, Activation::kNone, Tensor());
  Tensor result = make(x.rows(), weight.out_features / 2);
  for_rows(x.rows(), [&](int begin, int end) {
    GateArgs args;
    args.x = cpu(halves).data + begin * cpu(halves).ld;
    args.ldx = cpu(halves).ld;
    args.y = cpu(result).data + begin * cpu(result).ld;
    args.ldy = cpu(result).ld;
    args.gate = gate;
    args.rows = end - begin;
    args.size = result.columns();
    vector_.gate(args);
  });
  return result;
}

void CpuOps::multiply_panels(const PackedLinear& weight, int k, const GemmArgs& args) {
  const bool quantized = !weight.quantized.empty();
  const Scratch scratch(arena_, quantized ? expansion_floats(*weight.kernels, k) : 0, team_.size());
  const auto multiply = [&](const GemmArgs& part, int member) {
    if (quantized) {
      multiply_quantized(*weight.kernels, weight.quantized, k, part, scratch.of(member));
    } else {
      weight.kernels->gemm(part);
    }
  };
  if (team_.size() == 1 && !quantized) {
    for_pieces(1, [&](int /*piece*/, int member) { multiply(args, member); });
    return;
  }
  // Rows of a piece, which stay in the cache. A worker alone takes more: each piece expands all quantised panels anew.
  const int rows_per_piece = team_.size() == 1 ? 256 : 96;
  const int row_pieces = std::max(1, args.rows / rows_per_piece);
  if (row_pieces == 1) {
    share_panels(args, weight.num_panels, multiply);
    return;
  }
  for_pieces(row_pieces, [&](int piece, int member) {
    const int begin = static_cast<int>(static_cast<long>(args.rows) * piece / row_pieces);
    const int end = static_cast<int>(static_cast<long>(args.rows) * (piece + 1) / row_pieces);
    GemmArgs part = args;
    part.a = static_cast<const std::int32_t*>(args.a) + begin * args.lda;
    part.c += begin * args.ldc;
    part.residual = args.residual != nullptr ? args.residual + begin * args.ldr : nullptr;
    part.row_scale = args.row_scale != nullptr ? args.row_scale + begin : nullptr;
    part.row_offset = args.row_offset != nullptr ? args.row_offset + begin : nullptr;
    part.rest = args.rest != nullptr ? args.rest + begin : nullptr;
    part.rows = end - begin;
    multiply(part, member);
  });
}

// Few rows wait for memory: each member reads panels one after the other, the next one on its way already, then helps
// those that are not done.
void CpuOps::share_panels(const GemmArgs& args, int num_panels,
                          const std::function<void(const GemmArgs& part, int member)>& multiply) {
  const int shares = team_.size();
  std::vector<std::atomic<int>> taken(static_cast<std::size_t>(shares));
  team_.for_each(shares, [&](int own, int member) {
    for (int i = 0; i < shares; ++i) {
      const int share = (own + i) % shares;
      const int begin = static_cast<int>(static_cast<long>(num_panels) * share / shares);
      const int end = static_cast<int>(static_cast<long>(num_panels) * (share + 1) / shares);
      const auto take = [&] { return begin + taken[static_cast<std::size_t>(share)].fetch_add(1); };
      for (int panel = take(); panel < end; panel = take()) {
        GemmArgs part = args;
        part.panel_begin = panel;
        part.panel_end = panel + 1;
        part.ahead_end = end;
        multiply(part, member);
      }
    }
  });
}

}  // namespace mlxe::cpu
