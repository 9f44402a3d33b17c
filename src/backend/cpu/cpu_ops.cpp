// CpuOps: the operations on one worker's arena, shared out over a team where it has more than one member.
#include "backend/cpu/cpu_ops.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/pooling.h"
#include "mlxe/error.h"

namespace mlxe::cpu {
namespace {

/// Rows in an arena block, or some columns of another tensor's rows.
struct CpuTensor final : TensorStorage {
  CpuTensor(Arena& arena, std::size_t num_floats) : arena_(&arena), num_floats_(num_floats) {
    data = arena.allocate(num_floats);
  }
  CpuTensor(std::shared_ptr<TensorStorage> parent, float* first, std::ptrdiff_t stride)
      : data(first), ld(stride), parent_(std::move(parent)) {}
  ~CpuTensor() override {
    if (arena_ != nullptr) {
      arena_->release(data, num_floats_);
    }
  }
  CpuTensor(const CpuTensor&) = delete;
  CpuTensor& operator=(const CpuTensor&) = delete;

  float* data = nullptr;
  std::ptrdiff_t ld = 0;

 private:
  Arena* arena_ = nullptr;
  std::size_t num_floats_ = 0;
  std::shared_ptr<TensorStorage> parent_;  // shared with the tensor that this is a part of
};

CpuTensor& cpu(const Tensor& tensor) {
  return static_cast<CpuTensor&>(*tensor.storage());
}

/// Floats of one team member's block, aligned; freed at the end of the operation.
class Scratch {
 public:
  Scratch(Arena& arena, std::size_t floats_per_member, int members)
      : arena_(arena),
        per_member_((floats_per_member + 15) / 16 * 16),
        total_(per_member_ * static_cast<std::size_t>(members)),
        data_(arena.allocate(total_)) {}
  ~Scratch() { arena_.release(data_, total_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] float* of(int member) const { return data_ + per_member_ * static_cast<std::size_t>(member); }

 private:
  Arena& arena_;
  std::size_t per_member_;
  std::size_t total_;
  float* data_;
};

/// Row stride of `words` words: rows a multiple of 4 KB apart would share one cache set; one line more spreads them.
std::ptrdiff_t spread(int words) {
  return words % 1024 == 0 ? words + 16 : words;
}

template <class... Args>
void check(bool good, fmt::format_string<Args...> message, Args&&... args) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, fmt::format(message, std::forward<Args>(args)...));
  }
}

void check_batch(const char* op, const Tensor& x, const PackedBatch& batch) {
  check(batch.offsets.back() == x.rows(), "{}: the batch ends at token {}, the tensor has {} rows", op,
        batch.offsets.back(), x.rows());
}

}  // namespace

Tensor CpuOps::make(int rows, int columns) {
  const std::ptrdiff_t ld = spread(columns);
  const std::size_t floats = static_cast<std::size_t>(rows) * static_cast<std::size_t>(ld);
  auto storage = std::make_shared<CpuTensor>(arena_, floats);
  storage->ld = ld;
  return {rows, columns, std::move(storage)};
}

void CpuOps::for_rows(int num_rows, const std::function<void(int, int)>& rows) {
  const int pieces = team_.size() == 1 ? 1 : std::min(num_rows, 4 * team_.size());
  team_.for_each(pieces, [&](int piece, int /*member*/) {
    rows(static_cast<int>(static_cast<long>(num_rows) * piece / pieces),
         static_cast<int>(static_cast<long>(num_rows) * (piece + 1) / pieces));
  });
}

Tensor CpuOps::gather_sum(std::span<const Lookup> lookups) {
  check(!lookups.empty(), "gather_sum: no tables");
  const int columns = lookups[0].table->columns;
  const std::size_t count = lookups[0].ids.size();
  for (const Lookup& lookup : lookups) {
    check(lookup.table->columns == columns && lookup.ids.size() == count,
          "gather_sum: a table has {} columns and {} ids, the first has {} and {}", lookup.table->columns,
          lookup.ids.size(), columns, count);
    for (const std::int32_t id : lookup.ids) {
      check(id >= 0 && id < lookup.table->rows, "gather_sum: id {}, wanted 0 to {}", id, lookup.table->rows - 1);
    }
  }
  Tensor result = make(static_cast<int>(count), columns);
  const Scratch scratch(arena_, static_cast<std::size_t>(columns), team_.size());
  const int pieces = team_.size() == 1 ? 1 : std::min(static_cast<int>(count), 4 * team_.size());
  const auto width = static_cast<std::size_t>(columns);
  team_.for_each(pieces, [&](int piece, int member) {
    float* row = scratch.of(member);
    const std::size_t begin = count * static_cast<std::size_t>(piece) / static_cast<std::size_t>(pieces);
    const std::size_t end = count * static_cast<std::size_t>(piece + 1) / static_cast<std::size_t>(pieces);
    for (std::size_t i = begin; i < end; ++i) {
      float* out = cpu(result).data + static_cast<std::ptrdiff_t>(i) * cpu(result).ld;
      for (std::size_t t = 0; t < lookups.size(); ++t) {
        const auto& table = static_cast<const MappedTable&>(*lookups[t].table->storage);
        const std::size_t first = static_cast<std::size_t>(lookups[t].ids[i]) * width;
        widen(table.weight, first, width, t == 0 ? out : row);
        for (std::size_t c = 0; t > 0 && c < width; ++c) {
          out[c] += row[c];
        }
      }
    }
  });
  return result;
}

Tensor CpuOps::linear(const Tensor& x, const LinearWeight& weight, Activation activation, const Tensor& residual) {
  check(x.columns() == weight.in_features, "linear: input has {} columns, the weight wants {}", x.columns(),
        weight.in_features);
  check(residual.empty() || (residual.rows() == x.rows() && residual.columns() == weight.out_features),
        "linear: residual is [{}, {}], wanted [{}, {}]", residual.rows(), residual.columns(), x.rows(),
        weight.out_features);
  const auto& packed = static_cast<const PackedLinear&>(*weight.storage);
  const MatrixKernels& kernels = *packed.kernels;
  Tensor result = make(x.rows(), weight.out_features);
  GemmArgs args;
  args.a = cpu(x).data;
  args.lda = cpu(x).ld;
  args.b = packed.panels.data;
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
  args.activation = activation;

  const bool prepared = kernels.prepare_rows != nullptr;
  const std::size_t rows = static_cast<std::size_t>(x.rows());
  const std::ptrdiff_t ld_words = spread(packed.k_words);
  const Scratch words(arena_, prepared ? rows * static_cast<std::size_t>(ld_words) : 0, 1);
  const Scratch quantization(arena_, prepared ? rows : 0, 2);  // scales, then offsets
  if (prepared) {
    for_rows(x.rows(), [&](int begin, int end) {
      kernels.prepare_rows(cpu(x).data + begin * cpu(x).ld, cpu(x).ld, end - begin, weight.in_features,
                           words.of(0) + begin * ld_words, ld_words, quantization.of(0) + begin,
                           quantization.of(1) + begin);
    });
    args.a = words.of(0);
    args.lda = ld_words;
    args.row_scale = quantization.of(0);
    args.row_offset = quantization.of(1);
    args.column_scale = packed.column_scale.data();
    args.column_sum = packed.column_sum.data();
  }
  multiply(kernels, args, packed.num_panels);
  return result;
}

void CpuOps::multiply(const MatrixKernels& kernels, const GemmArgs& args, int num_panels) {
  if (team_.size() == 1) {
    kernels.gemm(args);
    return;
  }
  // Few rows: each member reads its own panels once. Many rows: each takes some rows, and all panels pass by.
  constexpr int kRowsPerPiece = 96;
  const int row_pieces = std::max(1, args.rows / kRowsPerPiece);
  const int panel_pieces = row_pieces > 1 ? 1 : std::min(num_panels, 4 * team_.size());
  team_.for_each(row_pieces * panel_pieces, [&](int piece, int /*member*/) {
    const int row_piece = piece / panel_pieces;
    const int panel_piece = piece % panel_pieces;
    const int begin = static_cast<int>(static_cast<long>(args.rows) * row_piece / row_pieces);
    const int end = static_cast<int>(static_cast<long>(args.rows) * (row_piece + 1) / row_pieces);
    GemmArgs part = args;
    part.a = static_cast<const std::int32_t*>(args.a) + begin * args.lda;
    part.c += begin * args.ldc;
    part.residual = args.residual != nullptr ? args.residual + begin * args.ldr : nullptr;
    part.row_scale = args.row_scale != nullptr ? args.row_scale + begin : nullptr;
    part.row_offset = args.row_offset != nullptr ? args.row_offset + begin : nullptr;
    part.rows = end - begin;
    part.panel_begin = num_panels * panel_piece / panel_pieces;
    part.panel_end = num_panels * (panel_piece + 1) / panel_pieces;
    kernels.gemm(part);
  });
}

Tensor CpuOps::layer_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check(x.columns() == norm.size, "layer_norm: input has {} columns, the weight {}", x.columns(), norm.size);
  const auto& weight = static_cast<const FloatNorm&>(*norm.storage);
  Tensor result = make(x.rows(), x.columns());
  for_rows(x.rows(), [&](int begin, int end) {
    LayerNormArgs args;
    args.x = cpu(x).data + begin * cpu(x).ld;
    args.ldx = cpu(x).ld;
    args.y = cpu(result).data + begin * cpu(result).ld;
    args.ldy = cpu(result).ld;
    args.scale = weight.scale.data();
    args.shift = weight.shift.empty() ? nullptr : weight.shift.data();
    args.eps = eps;
    args.rows = end - begin;
    args.size = norm.size;
    vector_.layer_norm(args);
  });
  return result;
}

Tensor CpuOps::columns(const Tensor& x, int begin, int count) {
  check(begin >= 0 && count >= 0 && begin + count <= x.columns(), "columns: {} from {}, the tensor has {}", count,
        begin, x.columns());
  return {x.rows(), count, std::make_shared<CpuTensor>(x.shared_storage(), cpu(x).data + begin, cpu(x).ld)};
}

Tensor CpuOps::attention(const Tensor& q, const Tensor& k, const Tensor& v, const PackedBatch& batch,
                         const AttentionSpec& spec) {
  check(spec.num_heads > 0 && spec.num_kv_heads > 0 && spec.num_heads % spec.num_kv_heads == 0 && spec.scale > 0.0F,
        "attention: {} heads, {} key heads, scale {}", spec.num_heads, spec.num_kv_heads, spec.scale);
  check(q.columns() == spec.num_heads * spec.head_dim, "attention: q has {} columns, wanted {} heads of {}",
        q.columns(), spec.num_heads, spec.head_dim);
  check(k.columns() == spec.num_kv_heads * spec.head_dim && v.columns() == k.columns(),
        "attention: k and v have {} and {} columns, wanted {} heads of {}", k.columns(), v.columns(), spec.num_kv_heads,
        spec.head_dim);
  check(k.rows() == q.rows() && v.rows() == q.rows(), "attention: q, k and v have {}, {} and {} rows", q.rows(),
        k.rows(), v.rows());
  check_batch("attention", q, batch);
  Tensor result = make(q.rows(), q.columns());
  const int group = spec.num_heads / spec.num_kv_heads;
  int longest = 0;
  for (int r = 0; r < batch.num_rows(); ++r) {
    longest =
        std::max(longest, batch.offsets[static_cast<std::size_t>(r) + 1] - batch.offsets[static_cast<std::size_t>(r)]);
  }
  const Scratch scratch(arena_, attention_.scratch_floats(longest, spec.head_dim, group), team_.size());
  team_.for_each(batch.num_rows() * spec.num_kv_heads, [&](int piece, int member) {
    const auto row = static_cast<std::size_t>(piece / spec.num_kv_heads);
    const int kv_head = piece % spec.num_kv_heads;
    const std::ptrdiff_t first = batch.offsets[row];
    const int q_column = kv_head * group * spec.head_dim;
    const int kv_column = kv_head * spec.head_dim;
    AttentionArgs args;
    args.q = cpu(q).data + first * cpu(q).ld + q_column;
    args.ldq = cpu(q).ld;
    args.k = cpu(k).data + first * cpu(k).ld + kv_column;
    args.ldk = cpu(k).ld;
    args.v = cpu(v).data + first * cpu(v).ld + kv_column;
    args.ldv = cpu(v).ld;
    args.out = cpu(result).data + first * cpu(result).ld + q_column;
    args.ldo = cpu(result).ld;
    args.length = batch.offsets[row + 1] - batch.offsets[row];
    args.head_dim = spec.head_dim;
    args.num_q_heads = group;
    args.scale = spec.scale;
    args.scratch = scratch.of(member);
    attention_.attention(args);
  });
  return result;
}

Tensor CpuOps::pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
                    std::span<const std::int32_t> first_token) {
  check_batch("pool", x, batch);
  const auto rows = static_cast<std::size_t>(batch.num_rows());
  check(first_token.empty() || first_token.size() == rows, "pool: {} first tokens for {} rows", first_token.size(),
        rows);
  Tensor result = make(batch.num_rows(), x.columns());
  for_rows(batch.num_rows(), [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      const auto row = static_cast<std::size_t>(r);
      pool_text(mode, cpu(x).data + batch.offsets[row] * cpu(x).ld, cpu(x).ld,
                batch.offsets[row + 1] - batch.offsets[row], first_token.empty() ? 0 : first_token[row], x.columns(),
                cpu(result).data + r * cpu(result).ld);
    }
  });
  return result;
}

Tensor CpuOps::concat_columns(std::span<const Tensor> parts) {
  check(!parts.empty(), "concat_columns: no parts");
  int columns = 0;
  for (const Tensor& part : parts) {
    check(part.rows() == parts[0].rows(), "concat_columns: a part has {} rows, the first has {}", part.rows(),
          parts[0].rows());
    columns += part.columns();
  }
  Tensor result = make(parts[0].rows(), columns);
  for (int r = 0; r < result.rows(); ++r) {
    float* out = cpu(result).data + r * cpu(result).ld;
    for (const Tensor& part : parts) {
      out = std::copy_n(cpu(part).data + r * cpu(part).ld, part.columns(), out);
    }
  }
  return result;
}

Tensor CpuOps::l2_normalize(const Tensor& x) {
  Tensor result = make(x.rows(), x.columns());
  for (int r = 0; r < x.rows(); ++r) {
    const float* in = cpu(x).data + r * cpu(x).ld;
    float* out = cpu(result).data + r * cpu(result).ld;
    double squares = 0.0;  // double: the sum of squares of float32 values cannot overflow
    for (int c = 0; c < x.columns(); ++c) {
      squares += static_cast<double>(in[c]) * in[c];
    }
    const double norm = std::max(std::sqrt(squares), 1e-12);
    for (int c = 0; c < x.columns(); ++c) {
      out[c] = static_cast<float>(in[c] / norm);
    }
  }
  return result;
}

void CpuOps::read(const Tensor& x, std::span<float> out) {
  const auto columns = static_cast<std::size_t>(x.columns());
  check(out.size() == static_cast<std::size_t>(x.rows()) * columns, "read: room for {} values, wanted [{}, {}]",
        out.size(), x.rows(), x.columns());
  for (int r = 0; r < x.rows(); ++r) {
    std::copy_n(cpu(x).data + r * cpu(x).ld, columns, out.data() + static_cast<std::size_t>(r) * columns);
  }
}

}  // namespace mlxe::cpu
