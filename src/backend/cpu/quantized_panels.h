// Quantised linear weights: the checkpoint's codes and scales in the order of the panels, expanded one panel at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "backend/cpu/kernel_table.h"
#include "backend/cpu/weight_memory.h"
#include "tensor/backend.h"
#include "tensor/quantization.h"

namespace mlxe::cpu {

/// Consecutive panels of one format. A column keeps its own stream of codes; streams lie side by side word by word, so
/// that the lanes of a vector are columns.
struct QuantizedPanels {
  QuantizationFormat format;
  DType scale_dtype = DType::kFloat32;
  int panel_begin = 0;
  int panel_end = 0;
  WeightMemory::Block words;   // [panels][row words][panel_width]
  WeightMemory::Block scales;  // [panels][groups][panel_width] of scale_dtype
  WeightMemory::Block biases;  // likewise; for affine formats only
};

/// Nothing unless every part is quantised and parts of different formats meet at the edge of a panel.
/// \param parts  all with data, `in` features each
[[nodiscard]] std::optional<std::vector<QuantizedPanels>> keep_quantized(std::span<const LinearPart> parts,
                                                                         int panel_width, WeightMemory& memory,
                                                                         const ParallelFor& parallel_for);

/// Floats of scratch for multiply_quantized.
[[nodiscard]] std::size_t expansion_floats(const MatrixKernels& kernels, int k);

/// The product of args' rows and panels; each panel is expanded into the scratch on the way. Not for int8 kernels,
/// whose weights have codes and scales of their own.
/// \param runs     the weight's panels, of which args.b knows nothing
/// \param scratch  expansion_floats(kernels, k), aligned to 64 bytes
void multiply_quantized(const MatrixKernels& kernels, std::span<const QuantizedPanels> runs, int k,
                        const GemmArgs& args, float* scratch);

}  // namespace mlxe::cpu
