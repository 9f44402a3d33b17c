// CpuOps: the operations on rows, on one worker's arena; shared out over a team where it has more than one member.
#include "backend/cpu/cpu_ops.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <utility>
#include <vector>

#include "backend/cpu/cpu_tensor.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/pooling.h"

namespace mlxe::cpu {
Tensor CpuOps::make(int rows, int columns) {
  const std::ptrdiff_t ld = spread(columns);
  const std::size_t floats = static_cast<std::size_t>(rows) * static_cast<std::size_t>(ld);
  auto storage = std::make_shared<CpuTensor>(arena_, floats);
  storage->ld = ld;
  return {rows, columns, std::move(storage)};
}

void CpuOps::for_pieces(int count, const Team::Part& piece) {
  if (!checkpoint_) {
    team_.for_each(count, piece);
    return;
  }
  std::atomic<bool> stopped{false};
  std::exception_ptr error;  // of member 0 alone
  team_.for_each(count, [&](int i, int member) {
    if (member == 0 && !stopped.load(std::memory_order_relaxed)) {
      try {
        checkpoint_();
      } catch (...) {
        error = std::current_exception();
        stopped.store(true, std::memory_order_relaxed);
      }
    }
    if (!stopped.load(std::memory_order_relaxed)) {
      piece(i, member);
    }
  });
  if (error) {
    std::rethrow_exception(error);
  }
}

int CpuOps::num_pieces(int count) const {
  constexpr int kFew = 16;  // for each member
  const int size = team_.size();
  return size == 1 ? 1 : std::min(count, count < kFew * size ? size : 4 * size);
}

void CpuOps::for_rows(int num_rows, const std::function<void(int, int)>& rows) {
  const int pieces = num_pieces(num_rows);
  team_.for_each(pieces, [&](int piece, int /*member*/) {
    rows(begin_of_share(piece, pieces, num_rows), begin_of_share(piece + 1, pieces, num_rows));
  });
}

Tensor CpuOps::gather_sum(std::span<const Lookup> lookups) {
  check_gather_sum(lookups);
  const int columns = lookups[0].table->columns;
  const std::size_t count = lookups[0].ids.size();
  Tensor result = make(static_cast<int>(count), columns);
  const Scratch scratch(arena_, static_cast<std::size_t>(columns), team_.size());
  const int pieces = num_pieces(static_cast<int>(count));
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

Tensor CpuOps::layer_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check_layer_norm(x, norm);
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

Tensor CpuOps::rms_norm(const Tensor& x, const NormWeight& norm, float eps) {
  check_rms_norm(x, norm);
  const auto& weight = static_cast<const FloatNorm&>(*norm.storage);
  Tensor result = make(x.rows(), x.columns());
  for_rows(x.rows(), [&](int begin, int end) {
    RmsNormArgs args;
    args.x = cpu(x).data + begin * cpu(x).ld;
    args.ldx = cpu(x).ld;
    args.y = cpu(result).data + begin * cpu(result).ld;
    args.ldy = cpu(result).ld;
    args.scale = weight.scale.data();
    args.eps = eps;
    args.rows = end - begin;
    args.groups = x.columns() / norm.size;
    args.size = norm.size;
    vector_.rms_norm(args);
  });
  return result;
}

Tensor CpuOps::columns(const Tensor& x, int begin, int count) {
  check_columns(x, begin, count);
  return {x.rows(), count, std::make_shared<CpuTensor>(x.shared_storage(), cpu(x).data + begin, cpu(x).ld)};
}

Tensor CpuOps::short_conv(const Tensor& x, const ConvWeight& weight, const PackedBatch& batch, ConvPadding padding) {
  check_short_conv(x, weight, batch, padding);
  const auto& conv = static_cast<const ConvTaps&>(*weight.storage);
  const int before = padding == ConvPadding::kCausal ? weight.taps - 1 : weight.taps / 2;
  Tensor result = make(x.rows(), x.columns());
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const int first = batch.offsets[row];
    const int length = batch.offsets[row + 1] - first;
    const int keys = batch.key_lengths.empty() ? length : batch.key_lengths[row];
    for_rows(length, [&](int begin, int end) {
      for (int token = begin; token < end; ++token) {
        float* out = cpu(result).data + (first + token) * cpu(result).ld;
        for (int c = 0; c < weight.channels; ++c) {
          out[c] = conv.bias.empty() ? 0.0F : conv.bias[static_cast<std::size_t>(c)];
        }
        for (int tap = 0; tap < weight.taps; ++tap) {
          const int source = token + tap - before;
          if (source < 0 || source >= keys) {
            continue;
          }
          const float* in = cpu(x).data + (first + source) * cpu(x).ld;
          const float* taps = conv.taps.data() + static_cast<std::ptrdiff_t>(tap) * weight.channels;
          for (int c = 0; c < weight.channels; ++c) {
            out[c] += taps[c] * in[c];
          }
        }
      }
    });
  }
  return result;
}

template <class F>
Tensor CpuOps::map_rows(int rows, int columns, const F& row_of) {
  Tensor result = make(rows, columns);
  for_rows(rows, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) {
      row_of(row, cpu(result).data + row * cpu(result).ld);
    }
  });
  return result;
}

Tensor CpuOps::add(const Tensor& a, const Tensor& b) {
  check_same_shape("add", a, b);
  return map_rows(a.rows(), a.columns(), [&](int row, float* out) {
    const float* x = cpu(a).data + row * cpu(a).ld;
    const float* y = cpu(b).data + row * cpu(b).ld;
    for (int c = 0; c < a.columns(); ++c) {
      out[c] = x[c] + y[c];
    }
  });
}

Tensor CpuOps::multiply(const Tensor& a, const Tensor& b) {
  check_same_shape("multiply", a, b);
  return map_rows(a.rows(), a.columns(), [&](int row, float* out) {
    const float* x = cpu(a).data + row * cpu(a).ld;
    const float* y = cpu(b).data + row * cpu(b).ld;
    for (int c = 0; c < a.columns(); ++c) {
      out[c] = x[c] * y[c];
    }
  });
}

Tensor CpuOps::scale(const Tensor& x, float factor) {
  return map_rows(x.rows(), x.columns(), [&](int row, float* out) {
    const float* in = cpu(x).data + row * cpu(x).ld;
    for (int c = 0; c < x.columns(); ++c) {
      out[c] = in[c] * factor;
    }
  });
}

Tensor CpuOps::take_rows(const Tensor& x, std::span<const std::int32_t> rows) {
  check_take_rows(x, rows);
  return map_rows(static_cast<int>(rows.size()), x.columns(), [&](int row, float* out) {
    std::copy_n(cpu(x).data + rows[static_cast<std::size_t>(row)] * cpu(x).ld, x.columns(), out);
  });
}

Tensor CpuOps::add_rows(Tensor base, const Tensor& x, std::span<const std::int32_t> rows,
                        std::span<const float> factors) {
  check_add_rows(base, x, rows, factors);
  const bool ours = base.shared_storage().use_count() == 1 && cpu(base).owns_rows();
  Tensor result = ours ? std::move(base) : scale(base, 1.0F);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* in = cpu(x).data + static_cast<std::ptrdiff_t>(i) * cpu(x).ld;
    float* out = cpu(result).data + rows[i] * cpu(result).ld;
    for (int c = 0; c < x.columns(); ++c) {
      out[c] += factors[i] * in[c];
    }
  }
  return result;
}

Tensor CpuOps::pool(const Tensor& x, const PackedBatch& batch, PoolingMode mode,
                    std::span<const std::int32_t> first_token) {
  check_pool(x, batch, first_token);
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
  check_concat_columns(parts);
  int columns = 0;
  for (const Tensor& part : parts) {
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
  check_read(x, out);
  const auto columns = static_cast<std::size_t>(x.columns());
  for (int r = 0; r < x.rows(); ++r) {
    std::copy_n(cpu(x).data + r * cpu(x).ld, columns, out.data() + static_cast<std::size_t>(r) * columns);
  }
}

}  // namespace mlxe::cpu
