// Rows of codes to panels of codes at load, panels of codes to panels of numbers when they are needed.
#include "backend/cpu/quantized_panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/int16_steps.h"

namespace mlxe::cpu {
namespace {

/// Parts that follow each other in one format.
struct Run {
  std::size_t part_begin = 0;
  std::size_t part_end = 0;
  int rows = 0;
};

bool same_format(const HostTensor& a, const HostTensor& b) {
  return a.quantization->format == b.quantization->format &&
         a.quantization->scales.dtype == b.quantization->scales.dtype;
}

/// Nothing if a part is not quantised.
std::optional<std::vector<Run>> runs_of(std::span<const LinearPart> parts) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].weight.quantization == nullptr) {
      return std::nullopt;
    }
    if (runs.empty() || !same_format(parts[i - 1].weight, parts[i].weight)) {
      runs.push_back({.part_begin = i, .part_end = i, .rows = 0});
    }
    runs.back().part_end = i + 1;
    runs.back().rows += parts[i].weight.shape[0];
  }
  return runs;
}

/// Columns of `count` elements of `size` bytes each, copied so that the elements of the columns of a panel alternate.
class Interleaved {
 public:
  Interleaved(WeightMemory& memory, std::size_t num_panels, std::size_t width, std::size_t count, std::size_t size)
      : panel_bytes_(width * count * size), width_(width), count_(count), size_(size) {
    block = memory.allocate((num_panels * panel_bytes_ + sizeof(std::int32_t) - 1) / sizeof(std::int32_t));
  }
  /// What no column fills stays zero.
  void clear(std::size_t panel) const { std::memset(start_of(panel), 0, panel_bytes_); }
  void put(std::size_t column, const std::byte* elements) const {
    std::byte* out = start_of(column / width_) + column % width_ * size_;
    for (std::size_t i = 0; i < count_; ++i) {
      std::memcpy(out + i * width_ * size_, elements + i * size_, size_);
    }
  }
  WeightMemory::Block block;

 private:
  [[nodiscard]] std::byte* start_of(std::size_t panel) const {
    return reinterpret_cast<std::byte*>(block.data) + panel * panel_bytes_;
  }

  std::size_t panel_bytes_;
  std::size_t width_;
  std::size_t count_;
  std::size_t size_;
};

QuantizedPanels pack_run(std::span<const LinearPart> parts, int rows, int panel_begin, int panel_width,
                         WeightMemory& memory, const ParallelFor& parallel_for) {
  const HostTensor& first = parts[0].weight;
  const QuantizationFormat& format = first.quantization->format;
  const auto width = static_cast<std::size_t>(panel_width);
  const std::size_t num_columns = static_cast<std::size_t>(rows);
  const std::size_t num_panels = (num_columns + width - 1) / width;
  QuantizedPanels panels{.format = format,
                         .scale_dtype = first.quantization->scales.dtype,
                         .panel_begin = panel_begin,
                         .panel_end = panel_begin + static_cast<int>(num_panels),
                         .words = {},
                         .scales = {},
                         .biases = {}};
  const std::size_t count = row_words(format, first.shape[1]);
  const auto groups = static_cast<std::size_t>(first.shape[1] / format.group_size);
  const std::size_t scale_size = size_bytes(panels.scale_dtype);
  const Interleaved words(memory, num_panels, width, count, sizeof(std::uint32_t));
  const Interleaved scales(memory, num_panels, width, groups, scale_size);
  const Interleaved biases(memory, num_panels, width, first.quantization->biases ? groups : 0, scale_size);
  const auto put = [&](std::size_t column, const HostTensor& weight, std::size_t row) {
    words.put(column, weight.data + row * count * sizeof(std::uint32_t));
    scales.put(column, weight.quantization->scales.data + row * groups * scale_size);
    if (weight.quantization->biases) {
      biases.put(column, weight.quantization->biases->data + row * groups * scale_size);
    }
  };
  // A piece of some hundred kilobytes takes far longer than waking a thread.
  constexpr std::size_t kPieceWords = std::size_t{1} << 17;
  const std::size_t pieces = std::clamp<std::size_t>(num_columns * count / kPieceWords, 1, num_panels);
  parallel_for(pieces, [&](std::size_t piece) {
    const std::size_t begin = num_panels * piece / pieces;
    const std::size_t end = num_panels * (piece + 1) / pieces;
    for (std::size_t panel = begin; panel < end; ++panel) {
      words.clear(panel);
      scales.clear(panel);
      biases.clear(panel);
    }
    std::size_t part_begin = 0;  // its first column
    for (const LinearPart& part : parts) {
      const std::size_t part_end = part_begin + static_cast<std::size_t>(part.weight.shape[0]);
      for (std::size_t column = std::max(begin * width, part_begin); column < std::min(end * width, part_end);
           ++column) {
        put(column, part.weight, column - part_begin);
      }
      part_begin = part_end;
    }
  });
  panels.words = words.block;
  panels.scales = scales.block;
  panels.biases = biases.block;
  return panels;
}

constexpr std::size_t align(std::size_t floats) {
  return (floats + 15) / 16 * 16;
}

/// Floats of each piece of scratch.
struct Layout {
  std::size_t scales;  // twice: the biases too
  std::size_t steps;
  std::size_t panel;

  Layout(const MatrixKernels& kernels, int k)
      : scales(align(static_cast<std::size_t>(k) / kSmallestGroup * width(kernels))),
        steps(kernels.scaled ? align(width(kernels)) : 0),
        panel(align(static_cast<std::size_t>(num_words(kernels, k)) * width(kernels))) {}

 private:
  static constexpr std::size_t kSmallestGroup = 16;
  static std::size_t width(const MatrixKernels& kernels) { return static_cast<std::size_t>(kernels.panel_width); }
};

/// Panel `panel` of a weight in the words that MatrixKernels::gemm reads; they lie in the scratch.
/// \param column_scale  of its columns; for scaled kernels
const void* expand_panel(const MatrixKernels& kernels, std::span<const QuantizedPanels> runs, int panel, int k,
                         const float* column_scale, float* scratch) {
  const auto run = std::ranges::find_if(runs, [&](const QuantizedPanels& r) { return panel < r.panel_end; });
  const Layout layout(kernels, k);
  float* const scales = scratch;
  float* const biases = scales + layout.scales;
  float* const inverse_steps = biases + layout.scales;
  float* const words = inverse_steps + layout.steps;
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  const auto index = static_cast<std::size_t>(panel - run->panel_begin);
  const std::size_t count = static_cast<std::size_t>(k / run->format.group_size) * width;
  const auto widen = [&](const WeightMemory::Block& block, float* out) {
    widen_scales(run->format.mode, run->scale_dtype,
                 reinterpret_cast<const std::byte*>(block.data) + index * count * size_bytes(run->scale_dtype), count,
                 out);
  };
  widen(run->scales, scales);
  const bool affine = run->format.mode == QuantizationMode::kAffine;
  if (affine) {
    widen(run->biases, biases);
  }
  for (std::size_t column = 0; kernels.scaled && column < width; ++column) {
    inverse_steps[column] = 1.0F / column_scale[column];
  }
  kernels.expand_panel(
      {.words = reinterpret_cast<const std::uint32_t*>(run->words.data) + index * row_words(run->format, k) * width,
       .scales = scales,
       .biases = affine ? biases : nullptr,
       .has_exact_products = run->scale_dtype != DType::kFloat32,  // 11 bits times 8 of 24
       .inverse_steps = inverse_steps,
       .out = words,
       .k = k,
       .panel_width = kernels.panel_width,
       .group_size = run->format.group_size,
       .bits = run->format.bits});
  return words;
}

/// Has a product ask for the codes of panel `panel` on its way.
void ask_for_codes(std::span<const QuantizedPanels> runs, int panel, int k, std::size_t width, GemmArgs& args) {
  const auto run = std::ranges::find_if(runs, [&](const QuantizedPanels& r) { return panel < r.panel_end; });
  const std::size_t words = row_words(run->format, k) * width;
  args.next = run->words.data + static_cast<std::size_t>(panel - run->panel_begin) * words;
  args.next_bytes = static_cast<std::ptrdiff_t>(words * sizeof(std::int32_t));
}

}  // namespace

std::optional<std::vector<QuantizedPanels>> keep_quantized(std::span<const LinearPart> parts,
                                                           const MatrixKernels& kernels, WeightMemory& memory,
                                                           const ParallelFor& parallel_for) {
  const std::optional<std::vector<Run>> runs = runs_of(parts);
  const auto may_be_nan = [](const LinearPart& part) {
    return part.weight.quantization->format.mode == QuantizationMode::kMxfp8;
  };
  if (!runs || kernels.expand_panel == nullptr || (kernels.scaled && std::ranges::any_of(parts, may_be_nan))) {
    return std::nullopt;
  }
  const int panel_width = kernels.panel_width;
  for (std::size_t i = 0; i + 1 < runs->size(); ++i) {
    if ((*runs)[i].rows % panel_width != 0) {
      return std::nullopt;
    }
  }
  std::vector<QuantizedPanels> panels;
  for (const Run& run : *runs) {
    panels.push_back(pack_run(parts.subspan(run.part_begin, run.part_end - run.part_begin), run.rows,
                              panels.empty() ? 0 : panels.back().panel_end, panel_width, memory, parallel_for));
  }
  return panels;
}

void bound_steps(std::span<const QuantizedPanels> runs, int k, int panel_width, const ParallelFor& parallel_for,
                 std::span<float> column_scale) {
  const auto width = static_cast<std::size_t>(panel_width);
  const auto step_panel = [&](const QuantizedPanels& run, std::size_t index, float* steps) {
    const auto groups = static_cast<std::size_t>(k / run.format.group_size);
    const std::size_t count = groups * width;
    const bool affine = run.format.mode == QuantizationMode::kAffine;
    std::vector<float> scales(count);
    std::vector<float> biases(count);
    const auto widen = [&](const WeightMemory::Block& block, std::vector<float>& out) {
      widen_scales(run.format.mode, run.scale_dtype,
                   reinterpret_cast<const std::byte*>(block.data) + index * count * size_bytes(run.scale_dtype), count,
                   out.data());
    };
    widen(run.scales, scales);
    if (affine) {
      widen(run.biases, biases);
    }
    const double last_code = affine ? static_cast<double>((1U << static_cast<unsigned>(run.format.bits)) - 1U) : 6.0;
    for (std::size_t column = 0; column < width; ++column) {
      double largest = 0.0;
      double squares = 0.0;
      bool is_number = true;
      for (std::size_t i = column; i < count; i += width) {
        const double first = affine ? static_cast<double>(biases[i]) : 0.0;
        const double last = first + last_code * static_cast<double>(scales[i]);
        const double magnitude = std::max(std::abs(first), std::abs(last));
        is_number = is_number && std::isfinite(first) && std::isfinite(last);
        largest = std::max(largest, magnitude);
        squares += magnitude * magnitude * run.format.group_size;
      }
      const double step = std::max(std::sqrt(squares) / kLongestInt16, largest / kLargestInt16);
      steps[column] = !is_number ? std::numeric_limits<float>::quiet_NaN()
                                 : std::max(static_cast<float>(step), std::numeric_limits<float>::min());
    }
  };
  for (const QuantizedPanels& run : runs) {
    parallel_for(static_cast<std::size_t>(run.panel_end - run.panel_begin), [&](std::size_t index) {
      const std::size_t panel = static_cast<std::size_t>(run.panel_begin) + index;
      step_panel(run, index, column_scale.data() + panel * width);
    });
  }
}

std::size_t expansion_floats(const MatrixKernels& kernels, int k) {
  const Layout layout(kernels, k);
  return 2 * layout.scales + layout.steps + layout.panel;
}

void multiply_quantized(const MatrixKernels& kernels, std::span<const QuantizedPanels> runs, int k,
                        const GemmArgs& args, float* scratch) {
  for (int panel = args.panel_begin; panel < args.panel_end; ++panel) {
    const int column = panel * kernels.panel_width;
    GemmArgs part = args;  // a product of one panel
    part.column_scale = args.column_scale != nullptr ? args.column_scale + column : nullptr;
    part.b = expand_panel(kernels, runs, panel, k, part.column_scale, scratch);
    part.c += column;
    part.c_words = args.c_words != nullptr ? args.c_words + column / kernels.values_per_word : nullptr;
    part.bias = args.bias != nullptr ? args.bias + column : nullptr;
    part.residual = args.residual != nullptr ? args.residual + column : nullptr;
    part.n = args.n - column;
    part.panel_begin = 0;
    part.panel_end = 1;
    part.ahead_end = 0;  // the next panel is not there yet
    if (kernels.rows_at_once > 1) {
      part.next = nullptr;  // tiles ask for whole panels, which codes are not
    } else if (panel + 1 < args.ahead_end) {
      ask_for_codes(runs, panel + 1, k, static_cast<std::size_t>(kernels.panel_width), part);
    }
    kernels.gemm(part);
  }
}

}  // namespace mlxe::cpu
