// Weights as the CPU backend keeps them: packed panels, and tables left where the checkpoint has them.
#include "backend/cpu/cpu_weights.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/quantization.h"
#include "tensor/widen.h"

namespace mlxe::cpu {
namespace {

std::vector<float> to_floats(const HostTensor& tensor) {
  std::vector<float> values(num_elements(tensor.shape));
  widen(tensor, 0, values.size(), values.data());
  return values;
}

void check(bool good, const std::string& message) {
  if (!good) {
    throw Error(ErrorCode::kInvalidInput, message);
  }
}

void check_part(const LinearPart& part, int in_features) {
  const Shape& shape = part.weight.shape;
  check(shape.size() == 2 && shape[1] == in_features,
        fmt::format("linear weight has shape {}, wanted [out, {}]", to_string(shape), in_features));
  if (part.bias) {
    check(part.bias->shape == Shape{shape[0]},
          fmt::format("linear bias has shape {}, wanted [{}]", to_string(part.bias->shape), shape[0]));
  }
}

}  // namespace

void widen(const HostTensor& weight, std::size_t first, std::size_t count, float* out) {
  if (weight.quantization != nullptr) {
    const auto columns = static_cast<std::size_t>(weight.shape.back());
    dequantize(weight, first / columns, count / columns, out);
    return;
  }
  if (!is_float(weight.dtype)) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("weight has dtype {}, wanted float32, float16 or bfloat16", to_string(weight.dtype)));
  }
  to_float32(weight.dtype, weight.data + first * size_bytes(weight.dtype), count, out);
}

namespace {

/// Rows [first, first + count) of the stacked parts, widened.
void widen_rows(std::span<const LinearPart> parts, std::size_t first, std::size_t count, std::size_t k, float* out) {
  for (const LinearPart& part : parts) {
    const auto rows = static_cast<std::size_t>(part.weight.shape[0]);
    if (first < rows) {
      const std::size_t taken = std::min(count, rows - first);
      widen(part.weight, first * k, taken * k, out);
      first += taken;
      count -= taken;
      out += taken * k;
    }
    if (count == 0) {
      return;
    }
    first -= rows;
  }
}

/// Reads rows as pack_panel takes them: widened, and rotated where the kernels rotate activations.
class RowReader {
 public:
  RowReader(std::span<const LinearPart> parts, const MatrixKernels& kernels, int in_features)
      : parts_(parts),
        kernels_(kernels),
        in_features_(in_features),
        size_(packed_features(kernels, in_features)),
        widened_(static_cast<std::size_t>(in_features)) {}

  /// Of one row.
  [[nodiscard]] int size() const { return size_; }
  /// \param out  [count, size()]
  void read(std::size_t first, std::size_t count, float* out) {
    if (kernels_.rotate_row == nullptr) {
      widen_rows(parts_, first, count, widened_.size(), out);
      return;
    }
    for (std::size_t i = 0; i < count; ++i) {
      widen_rows(parts_, first + i, 1, widened_.size(), widened_.data());
      kernels_.rotate_row(widened_.data(), in_features_, 1.0F, out + i * static_cast<std::size_t>(size_));
    }
  }

 private:
  const std::span<const LinearPart> parts_;
  const MatrixKernels& kernels_;
  const int in_features_;
  const int size_;
  std::vector<float> widened_;
};

// A piece of a megabyte or two takes far longer than waking a thread.
constexpr std::size_t kPieceElements = std::size_t{1} << 19;

/// Sums over rows of what rounding them to int8 loses. Steps are a 127th of each row's largest magnitude whatever the
/// kernels, so that all machines judge alike.
struct Int8Loss {
  double noise = 0.0;   // squares
  double signal = 0.0;  // likewise

  void add(std::span<const float> row) {
    constexpr std::size_t kLanes = 8;  // sums side by side, which compilers keep in vectors
    static_assert(kRotated % kLanes == 0);
    std::array<float, kLanes> largest = {};
    std::array<double, kLanes> squares = {};
    for (std::size_t p = 0; p < row.size(); p += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float value = row[p + lane];
        largest[lane] = std::max(largest[lane], std::abs(value));
        squares[lane] += static_cast<double>(value) * static_cast<double>(value);
      }
    }
    const double step = static_cast<double>(*std::ranges::max_element(largest)) / 127.0;
    noise += static_cast<double>(row.size()) * step * step / 12.0;
    signal += std::accumulate(squares.begin(), squares.end(), 0.0);
  }
  void add(const Int8Loss& other) {
    noise += other.noise;
    signal += other.signal;
  }
  /// NaN if a value was, or without rows.
  [[nodiscard]] double share() const { return noise / signal; }
};

/// Panels of float32 rows, or of what is expanded to them.
/// \returns what rows lose by it at int8; nothing at other precisions
Int8Loss pack_rows(std::span<const LinearPart> parts, const LinearWeight& shape, const ParallelFor& parallel_for,
                   PackedLinear& packed) {
  const MatrixKernels& kernels = *packed.kernels;
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  const auto k = static_cast<std::size_t>(shape.in_features);
  const auto num_rows = static_cast<std::size_t>(shape.out_features);
  const auto num_panels = static_cast<std::size_t>(packed.num_panels);
  if (kernels.scaled) {
    packed.column_scale.resize(num_panels * width);
    packed.column_sum.resize(num_panels * width);
  }
  const std::size_t pieces = std::clamp<std::size_t>(num_rows * k / kPieceElements, 1, num_panels);
  std::vector<Int8Loss> losses(pieces);
  parallel_for(pieces, [&](std::size_t piece) {
    RowReader reader(parts, kernels, shape.in_features);
    const auto size = static_cast<std::size_t>(reader.size());
    std::vector<float> rows(width * size);  // of one panel
    Int8Loss loss;
    const std::size_t end = num_panels * (piece + 1) / pieces;
    for (std::size_t panel = num_panels * piece / pieces; panel < end; ++panel) {
      const std::size_t first = panel * width;
      const std::size_t count = std::min(width, num_rows - first);
      reader.read(first, count, rows.data());
      kernels.pack_panel(rows.data(), static_cast<int>(count), reader.size(),
                         packed.panels.data + first * static_cast<std::size_t>(packed.k_words),
                         kernels.scaled ? packed.column_scale.data() + first : nullptr,
                         kernels.scaled ? packed.column_sum.data() + first : nullptr);
      for (std::size_t i = 0; i < count && kernels.rotate_row != nullptr; ++i) {
        loss.add(std::span(rows).subspan(i * size, size));
      }
    }
    losses[piece] = loss;
  });
  Int8Loss sum;
  for (const Int8Loss& loss : losses) {
    sum.add(loss);
  }
  return sum;
}

/// A weight at one precision, and what it loses by it.
struct Packing {
  std::shared_ptr<PackedLinear> packed;
  Int8Loss loss;
};

Packing pack_for(const MatrixKernels& kernels, WeightMemory& memory, const ParallelFor& parallel_for,
                 std::span<const LinearPart> parts, const LinearWeight& shape) {
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  Packing packing{std::make_shared<PackedLinear>(), {}};
  PackedLinear& packed = *packing.packed;
  packed.kernels = &kernels;
  packed.gemm = kernels.gemm;
  packed.k_words = num_words(kernels, packed_features(kernels, shape.in_features));
  packed.num_panels = (shape.out_features + kernels.panel_width - 1) / kernels.panel_width;
  const std::size_t columns = static_cast<std::size_t>(packed.num_panels) * width;
  if (std::ranges::any_of(parts, [](const LinearPart& part) { return part.bias.has_value(); })) {
    packed.bias.assign(columns, 0.0F);
    std::size_t column = 0;  // of the stacked output
    for (const LinearPart& part : parts) {
      const auto part_rows = static_cast<std::size_t>(part.weight.shape[0]);
      if (part.bias) {
        widen(*part.bias, 0, part_rows, packed.bias.data() + column);
      }
      column += part_rows;
    }
  }
  auto quantized = keep_quantized(parts, kernels, memory, parallel_for);
  if (quantized) {
    packed.quantized = *std::move(quantized);
    if (kernels.scaled) {
      packed.column_scale.resize(columns);
      bound_steps(packed.quantized, shape.in_features, kernels.panel_width, parallel_for, packed.column_scale);
    }
  } else if (const auto gemm = gemm_of_halves(kernels, parts); gemm != nullptr) {
    packed.gemm = gemm;
    packed.has_halves = true;
    const std::ptrdiff_t words = packed.num_panels * half_panel_words(kernels, shape.in_features);
    packed.panels = memory.allocate(static_cast<std::size_t>(words));
    pack_halves(kernels, parts, shape.in_features, packed.num_panels, parallel_for, packed.panels.data);
  } else {
    packed.panels = memory.allocate(columns * static_cast<std::size_t>(packed.k_words));
    packing.loss = pack_rows(parts, shape, parallel_for, packed);
  }
  return packing;
}

}  // namespace

NextPanels panels_of(const PackedLinear& weight, int in_features) {
  const auto width = static_cast<std::ptrdiff_t>(weight.kernels->panel_width);
  if (weight.has_halves) {
    return {.panels = weight.panels,
            .count = weight.num_panels,
            .panel_words = half_panel_words(*weight.kernels, in_features)};
  }
  if (weight.quantized.empty()) {
    return {.panels = weight.panels, .count = weight.num_panels, .panel_words = weight.k_words * width};
  }
  const QuantizedPanels& first = weight.quantized.front();
  return {.panels = first.words,
          .count = first.panel_end,
          .panel_words = static_cast<std::ptrdiff_t>(row_words(first.format, in_features)) * width};
}

LinearWeight pack_linear(const MatrixKernels& wanted, const MatrixKernels* spare, WeightMemory& memory,
                         const ParallelFor& parallel_for, std::span<const LinearPart> parts) {
  check(!parts.empty(), "linear weight has no parts");
  check(parts[0].weight.shape.size() == 2,
        fmt::format("linear weight has shape {}, wanted [out, in]", to_string(parts[0].weight.shape)));
  const int in_features = parts[0].weight.shape[1];
  int out_features = 0;
  bool complete = true;
  for (const LinearPart& part : parts) {
    check_part(part, in_features);
    out_features += part.weight.shape[0];
    complete = complete && part.weight.has_data() && (!part.bias || part.bias->has_data());
  }
  if (in_features > wanted.most_features) {
    throw Error(ErrorCode::kUnsupported, fmt::format("linear weight has {} input features, wanted at most {} at {}",
                                                     in_features, wanted.most_features, wanted.precision));
  }
  LinearWeight handle{in_features, out_features, nullptr};
  if (!complete) {
    return handle;
  }
  Packing packing = pack_for(wanted, memory, parallel_for, parts, handle);
  if (spare != nullptr && packing.loss.share() > kMostInt8Noise) {
    packing = pack_for(*spare, memory, parallel_for, parts, handle);
  }
  for (const LinearPart& part : parts) {
    release_pages(part.weight);
  }
  handle.storage = std::move(packing.packed);
  return handle;
}

EmbeddingTable map_table(const HostTensor& weight) {
  check(weight.shape.size() == 2,
        fmt::format("embedding has shape {}, wanted [rows, columns]", to_string(weight.shape)));
  EmbeddingTable handle{weight.shape[0], weight.shape[1], nullptr};
  if (weight.has_data()) {
    auto table = std::make_shared<MappedTable>();
    table->weight = weight;
    handle.storage = std::move(table);
  }
  return handle;
}

PositionTable pack_positions(const AttentionKernels& kernels, WeightMemory& memory, const HostTensor& weight,
                             int num_heads, Compared compared) {
  const Shape& shape = weight.shape;
  check(shape.size() == 2 && num_heads > 0 && shape[1] % num_heads == 0,
        fmt::format("relative positions have shape {}, wanted [buckets, heads * size] of {} heads", to_string(shape),
                    num_heads));
  PositionTable handle{shape[0], shape[1], nullptr};
  if (!weight.has_data()) {
    return handle;
  }
  const std::vector<float> rows = to_floats(weight);
  const int count = shape[0];
  const int head_dim = shape[1] / num_heads;
  const auto whole = [](std::size_t value, std::size_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
  };
  auto packed = std::make_shared<CpuPositions>();
  packed->words_of_head = static_cast<std::ptrdiff_t>(whole(kernels.position_words(count, head_dim), 16));
  packed->columns = static_cast<std::ptrdiff_t>(
      whole(static_cast<std::size_t>(count), static_cast<std::size_t>(kernels.position_panel)));
  packed->words = memory.allocate(static_cast<std::size_t>(num_heads * packed->words_of_head));
  packed->scales.resize(static_cast<std::size_t>(num_heads * packed->columns));
  std::vector<float> room(16 * whole(static_cast<std::size_t>(head_dim), 16));
  for (int head = 0; head < num_heads; ++head) {
    const float* first = rows.data() + head * head_dim;
    const std::ptrdiff_t ld = shape[1];
    const bool mirrored = compared == Compared::kQueries;  // along a query's keys distances fall
    kernels.pack_positions(mirrored ? first + (count - 1) * ld : first, mirrored ? -ld : ld, count, head_dim,
                           reinterpret_cast<float*>(packed->words.data) + head * packed->words_of_head,
                           packed->scales.data() + head * packed->columns, room.data());
  }
  handle.storage = std::move(packed);
  return handle;
}

NormWeight copy_norm(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset) {
  check(weight.shape.size() == 1, fmt::format("norm weight has shape {}, wanted [size]", to_string(weight.shape)));
  check(!bias || bias->shape == weight.shape,
        fmt::format("norm bias and weight differ in shape, wanted {}", to_string(weight.shape)));
  NormWeight handle{weight.shape[0], nullptr};
  if (weight.has_data() && (!bias || bias->has_data())) {
    auto norm = std::make_shared<FloatNorm>();
    norm->scale = to_floats(weight);
    for (float& scale : norm->scale) {
      scale += scale_offset;
    }
    if (bias) {
      norm->shift = to_floats(*bias);
    }
    handle.storage = std::move(norm);
  }
  return handle;
}

ConvWeight copy_conv(const HostTensor& weight, const std::optional<HostTensor>& bias) {
  const Shape& shape = weight.shape;
  check(shape.size() == 2 || (shape.size() == 3 && shape[1] == 1),
        fmt::format("convolution weight has shape {}, wanted [channels, 1, taps]", to_string(shape)));
  check(!bias || bias->shape == Shape{shape[0]}, fmt::format("convolution bias, wanted shape [{}]", shape[0]));
  ConvWeight handle{shape[0], shape.back(), nullptr};
  if (weight.has_data() && (!bias || bias->has_data())) {
    auto conv = std::make_shared<ConvTaps>();
    const std::vector<float> values = to_floats(weight);  // [channels, taps]
    const auto channels = static_cast<std::size_t>(handle.channels);
    const auto taps = static_cast<std::size_t>(handle.taps);
    conv->taps.resize(values.size());
    for (std::size_t channel = 0; channel < channels; ++channel) {
      for (std::size_t tap = 0; tap < taps; ++tap) {
        conv->taps[tap * channels + channel] = values[channel * taps + tap];
      }
    }
    if (bias) {
      conv->bias = to_floats(*bias);
    }
    handle.storage = std::move(conv);
  }
  return handle;
}

}  // namespace mlxe::cpu
