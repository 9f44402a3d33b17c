// CpuOps: matrix products, shared out over a team where it has more than one member.
#include <algorithm>
#include <atomic>
#include <vector>

#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_tensor.h"
#include "backend/cpu/cpu_weights.h"

namespace mlxe::cpu {
namespace {

/// int8 has 255 steps from a row's smallest value to its largest. Some tokens have a few features that are hundreds of
/// times as large as the others (of MiniLM's rows 2 % have a range over 64 mean magnitudes, half of them over 140), and
/// the others are lost. What the words of such rows leave out goes through a second product, in steps of its own.
constexpr float kCoarseRange = 64.0F;  // in mean magnitudes

}  // namespace

/// Activations as words, and what scaled kernels know of their rows.
struct CpuOps::PreparedRows {
  PreparedRows(Arena& arena, int num_rows, int k_words)
      : rows(num_rows),
        ld_words(spread(k_words)),
        words_(arena, static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(ld_words), 1),
        facts_(arena, static_cast<std::size_t>(num_rows), 3) {}
  [[nodiscard]] float* words(int row) const { return words_.of(0) + row * ld_words; }
  [[nodiscard]] float* scale() const { return facts_.of(0); }
  [[nodiscard]] float* offset() const { return facts_.of(1); }
  [[nodiscard]] float* mean() const { return facts_.of(2); }
  void set(GemmArgs& args) const {
    args.a = words(0);
    args.lda = ld_words;
    args.row_scale = scale();
    args.row_offset = offset();
  }

  int rows;
  std::ptrdiff_t ld_words;

 private:
  Scratch words_;
  Scratch facts_;
};

std::vector<int> CpuOps::coarse_rows(const MatrixKernels& kernels, const PreparedRows& rows) {
  std::vector<int> coarse;
  for (int row = 0; kernels.leave_rest != nullptr && row < rows.rows; ++row) {
    const float mean = rows.mean()[row];
    if (mean > 0.0F && 255.0F * rows.scale()[row] > kCoarseRange * mean) {  // not if it holds NaN
      coarse.push_back(row);
    }
  }
  return coarse;
}

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
  const PreparedRows rows(arena_, x.rows(), packed.k_words);
  prepare(kernels, x, rows);
  rows.set(args);
  args.column_scale = packed.column_scale.data();
  args.column_sum = packed.column_sum.data();
  if (const std::vector<int> coarse = coarse_rows(kernels, rows); !coarse.empty()) {
    multiply_with_rests(packed, x, rows, coarse, args);
  } else {
    multiply_panels(packed, weight.in_features, args);
  }
  return result;
}

void CpuOps::prepare(const MatrixKernels& kernels, const Tensor& x, const PreparedRows& rows) {
  for_rows(x.rows(), [&](int begin, int end) {
    kernels.prepare_rows(cpu(x).data + begin * cpu(x).ld, cpu(x).ld, end - begin, x.columns(), rows.words(begin),
                         rows.ld_words, rows.scale() + begin, rows.offset() + begin, rows.mean() + begin);
  });
}

void CpuOps::multiply_with_rests(const PackedLinear& packed, const Tensor& x, const PreparedRows& rows,
                                 const std::vector<int>& coarse, GemmArgs args) {
  const int k = x.columns();
  const auto count = static_cast<int>(coarse.size());
  const Tensor rests = make(count, k);
  for (int i = 0; i < count; ++i) {
    const int row = coarse[static_cast<std::size_t>(i)];
    packed.kernels->leave_rest(cpu(x).data + row * cpu(x).ld, k, rows.words(row), rows.scale()[row], rows.offset()[row],
                               cpu(rests).data + i * cpu(rests).ld);
  }
  const PreparedRows prepared(arena_, count, packed.k_words);
  prepare(*packed.kernels, rests, prepared);
  const Tensor products = make(count, args.n);
  GemmArgs of_rests = args;
  prepared.set(of_rests);
  of_rests.rows = count;
  of_rests.bias = nullptr;
  of_rests.residual = nullptr;
  of_rests.activation = Activation::kNone;
  of_rests.c = cpu(products).data;
  of_rests.ldc = cpu(products).ld;
  std::vector<const float*> product_of_row(static_cast<std::size_t>(x.rows()));  // null for most
  for (int i = 0; i < count; ++i) {
    product_of_row[static_cast<std::size_t>(coarse[static_cast<std::size_t>(i)])] =
        cpu(products).data + i * cpu(products).ld;
  }
  args.rest = product_of_row.data();
  multiply_panels(packed, k, args, &of_rests);
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

void CpuOps::multiply_panels(const PackedLinear& weight, int k, const GemmArgs& args, const GemmArgs* before) {
  const bool quantized = !weight.quantized.empty();
  const Scratch scratch(arena_, quantized ? expansion_floats(*weight.kernels, k) : 0, team_.size());
  const auto multiply = [&](const GemmArgs& part, int member) {
    if (quantized) {
      multiply_quantized(*weight.kernels, weight.quantized, k, part, scratch.of(member));
    } else {
      weight.kernels->gemm(part);
    }
  };
  const auto multiply_both = [&](const GemmArgs& part, int member) {
    if (before == nullptr) {
      multiply(part, member);
      return;
    }
    // Panel by panel, so that each comes from memory once.
    for (int panel = part.panel_begin; panel < part.panel_end; ++panel) {
      for (const GemmArgs* product : {before, &part}) {
        GemmArgs one = *product;
        one.panel_begin = panel;
        one.panel_end = panel + 1;
        one.ahead_end = product == before ? 0 : part.ahead_end;
        multiply(one, member);
      }
    }
  };
  if (team_.size() == 1 && !quantized) {
    for_pieces(1, [&](int /*piece*/, int member) { multiply_both(args, member); });
    return;
  }
  // Rows of a piece, which stay in the cache. A worker alone takes more: each piece expands all quantised panels anew.
  const int rows_per_piece = team_.size() == 1 ? 256 : 96;
  const int row_pieces = std::max(1, args.rows / rows_per_piece);
  if (row_pieces == 1) {
    share_panels(args, weight.num_panels, multiply_both);
    return;
  }
  if (before != nullptr) {
    multiply_panels(weight, k, *before, nullptr);
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
