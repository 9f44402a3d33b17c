// CpuOps: matrix products, shared out over a team where it has more than one member.
#include <algorithm>
#include <atomic>
#include <vector>

#include <fmt/format.h>

#include "backend/cpu/cpu_ops.h"
#include "backend/cpu/cpu_tensor.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/prepare_row.h"
#include "mlxe/error.h"

namespace mlxe::cpu {
namespace {

constexpr int kRowsOfPiece = 96;  // stay in the cache of the member that multiplies them
constexpr int kRowsOfExpansion = 512;

/// The part of a product that makes rows [begin, end).
GemmArgs rows_of(const GemmArgs& args, int begin, int end) {
  GemmArgs part = args;
  part.a = static_cast<const std::int32_t*>(args.a) + begin * args.lda;
  part.c += begin * args.ldc;
  part.c_words = args.c_words != nullptr ? args.c_words + begin * args.ldc : nullptr;
  part.residual = args.residual != nullptr ? args.residual + begin * args.ldr : nullptr;
  part.row_scale = args.row_scale != nullptr ? args.row_scale + begin : nullptr;
  part.row_offset = args.row_offset != nullptr ? args.row_offset + begin : nullptr;
  part.rows = end - begin;
  return part;
}

}  // namespace

/// Activations as words, and what scaled kernels know of their rows.
struct CpuOps::PreparedRows {
  PreparedRows(Arena& arena, int num_rows, int k_words)
      : ld_words_(spread(k_words)),
        words_(arena, static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(ld_words_), 1),
        facts_(arena, static_cast<std::size_t>(num_rows), 2) {}
  [[nodiscard]] float* words(int row) const { return words_.of(0) + row * ld_words_; }
  [[nodiscard]] float* scale() const { return facts_.of(0); }
  [[nodiscard]] float* offset() const { return facts_.of(1); }
  void set(GemmArgs& args) const {
    args.a = words(0);
    args.lda = ld_words_;
    args.row_scale = scale();
    args.row_offset = offset();
  }

 private:
  std::ptrdiff_t ld_words_;
  Scratch words_;
  Scratch facts_;
};

Tensor CpuOps::make_words(const MatrixKernels& kernels, int rows, int columns, int words) {
  const std::ptrdiff_t ld = spread(words);
  auto storage = std::make_shared<CpuTensor>(arena_, static_cast<std::size_t>(rows) * static_cast<std::size_t>(ld));
  storage->ld = ld;
  storage->words_of = &kernels;
  return {rows, columns, std::move(storage)};
}

Tensor CpuOps::linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) {
  check_linear(x, weight, residual);
  Tensor result = make(x.rows(), weight.out_features);
  multiply(x, weight, activation, residual, result);
  return result;
}

Tensor CpuOps::linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                          Activation activation) {
  const auto& packed = static_cast<const PackedLinear&>(*weight.storage);
  const auto& next = static_cast<const PackedLinear&>(*reader.storage);
  if (packed.kernels != next.kernels || !packed.kernels->writes_words) {
    return linear(x, weight, activation, Tensor());
  }
  check_linear(x, weight, Tensor());
  const int words_of_panels = packed.num_panels * packed.kernels->panel_width / packed.kernels->values_per_word;
  Tensor result = make_words(*packed.kernels, x.rows(), weight.out_features, std::max(words_of_panels, next.k_words));
  multiply(x, weight, activation, Tensor(), result);
  return result;
}

void CpuOps::multiply(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual,
                      const Tensor& result) {
  const auto& packed = static_cast<const PackedLinear&>(*weight.storage);
  const MatrixKernels& kernels = *packed.kernels;
  if (cpu(x).words_of != nullptr && cpu(x).words_of != &kernels) {
    throw Error(ErrorCode::kInternal,
                fmt::format("linear: the input was made for another weight than this {} one", kernels.precision));
  }
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
  args.c_words = cpu(result).words_of != nullptr ? reinterpret_cast<std::int32_t*>(cpu(result).data) : nullptr;
  args.ldc = cpu(result).ld;
  args.rows = x.rows();
  args.n = weight.out_features;
  args.panel_end = packed.num_panels;
  args.ahead_end = packed.num_panels;
  args.lines_per_request = lines_per_request();
  args.next = packed.next->share(0, 1);
  args.next_bytes = packed.next->panel_words * static_cast<std::ptrdiff_t>(sizeof(std::int32_t));
  args.activation = activation;

  if (kernels.prepare_rows == nullptr || cpu(x).words_of != nullptr) {
    multiply_panels(packed, weight.in_features, args);
    return;
  }
  const PreparedRows rows(arena_, x.rows(), packed.k_words);
  prepare(kernels, x, rows);
  rows.set(args);
  args.column_scale = packed.column_scale.data();
  args.column_sum = packed.column_sum.data();
  multiply_panels(packed, weight.in_features, args);
}

void CpuOps::prepare(const MatrixKernels& kernels, const Tensor& x, const PreparedRows& rows) {
  for_rows_with_room(x.rows(), packed_features(kernels, x.columns()), [&](int row, float* room) {
    prepare_row(kernels, cpu(x).data + row * cpu(x).ld, x.columns(), room, rows.words(row), rows.scale() + row,
                rows.offset() + row);
  });
}

void CpuOps::for_rows_with_room(int num_rows, int size, const std::function<void(int row, float* room)>& row_of) {
  const Scratch room(arena_, static_cast<std::size_t>(size), team_.size());
  const int pieces = num_pieces(num_rows);
  team_.for_each(pieces, [&](int piece, int member) {
    for (int row = begin_of_share(piece, pieces, num_rows); row < begin_of_share(piece + 1, pieces, num_rows); ++row) {
      row_of(row, room.of(member));
    }
  });
}

void CpuOps::join(const Tensor& halves, const Gate& gate, int begin, int end, float* out, std::ptrdiff_t ld) {
  GateArgs args;
  args.x = cpu(halves).data + begin * cpu(halves).ld;
  args.ldx = cpu(halves).ld;
  args.y = out;
  args.ldy = ld;
  args.gate = gate;
  args.rows = end - begin;
  args.size = halves.columns() / 2;
  vector_.gate(args);
}

Tensor CpuOps::gated_linear(const Tensor& x, const LinearWeight& weight, const Gate& gate) {
  check_gated_linear(weight, gate);
  const Tensor halves = linear(x, weight, Activation::kNone, Tensor());
  Tensor result = make(x.rows(), weight.out_features / 2);
  for_rows(x.rows(), [&](int begin, int end) {
    join(halves, gate, begin, end, cpu(result).data + begin * cpu(result).ld, cpu(result).ld);
  });
  return result;
}

Tensor CpuOps::gated_linear_for(const LinearWeight& reader, const Tensor& x, const LinearWeight& weight,
                                const Gate& gate) {
  const auto& next = static_cast<const PackedLinear&>(*reader.storage);
  const MatrixKernels& kernels = *next.kernels;
  if (!kernels.writes_words) {
    return gated_linear(x, weight, gate);
  }
  check_gated_linear(weight, gate);
  const Tensor halves = linear(x, weight, Activation::kNone, Tensor());
  const int columns = weight.out_features / 2;
  Tensor result = make_words(kernels, x.rows(), columns, next.k_words);
  // Each row becomes words while it is in the L1 cache.
  for_rows_with_room(x.rows(), columns, [&](int row, float* joined) {
    join(halves, gate, row, row + 1, joined, columns);
    kernels.prepare_rows(joined, columns, 1, columns, cpu(result).data + row * cpu(result).ld, cpu(result).ld, nullptr,
                         nullptr);
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
      weight.gemm(part);
    }
  };
  const auto piece_of = [&](int piece, int pieces) {
    return rows_of(args, begin_of_share(piece, pieces, args.rows), begin_of_share(piece + 1, pieces, args.rows));
  };
  if (quantized) {
    // All members expand panels for the same rows, and each piece of rows all panels anew: it is large.
    const int pieces = std::max(1, args.rows / kRowsOfExpansion);
    for (int piece = 0; piece < pieces; ++piece) {
      if (checkpoint_) {
        checkpoint_();
      }
      share_panels(weight, piece_of(piece, pieces), multiply);
    }
    return;
  }
  const int pieces = team_.size() == 1 ? 1 : std::max(1, args.rows / kRowsOfPiece);
  if (pieces == 1 && team_.size() > 1) {
    share_panels(weight, args, multiply);
    return;
  }
  for_pieces(pieces, [&](int piece, int member) { multiply(piece_of(piece, pieces), member); });
}

// Few rows wait for memory: each member reads panels one after the other, the next one on its way already, be it the
// first one of the next weight, then helps those that are not done. A member takes several of its panels at once while
// many are left, as an atomic step waits for what was stored before it.
void CpuOps::share_panels(const PackedLinear& weight, const GemmArgs& args,
                          const std::function<void(const GemmArgs& part, int member)>& multiply) {
  struct alignas(64) Share {  // a cache line each
    std::atomic<int> taken{0};
  };
  const int num_shares = team_.size();
  std::vector<Share> shares(static_cast<std::size_t>(num_shares));
  team_.for_each(num_shares, [&](int own, int member) {
    for (int i = 0; i < num_shares; ++i) {
      const int share = (own + i) % num_shares;
      const int begin = begin_of_share(share, num_shares, weight.num_panels);
      const int count = begin_of_share(share + 1, num_shares, weight.num_panels) - begin;
      std::atomic<int>& taken = shares[static_cast<std::size_t>(share)].taken;
      const auto at_once = [&](int first) { return share == own ? std::max(1, (count - first) / 3) : 1; };
      int first = taken.load(std::memory_order_relaxed);
      while (first < count) {
        const int end = first + at_once(first);
        if (!taken.compare_exchange_weak(first, end, std::memory_order_relaxed)) {
          continue;
        }
        GemmArgs part = args;
        part.panel_begin = begin + first;
        part.panel_end = begin + end;
        part.ahead_end = begin + count;
        part.next = share == own ? weight.next->share(own, num_shares) : nullptr;
        multiply(part, member);
        first = end;
      }
    }
  });
}

}  // namespace mlxe::cpu
