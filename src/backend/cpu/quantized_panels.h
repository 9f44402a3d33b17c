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

/// Nothing unless every part is quantised, parts of different formats meet at the edge of a panel and the kernels can
/// expand them: not int8, for which making codes and scales of its own anew in every product took longer than the
/// product (2.6 ns a weight on Zen 3), and at int16 no codes that may be NaN.
/// \param parts  all with data, `in` features each
[[nodiscard]] std::optional<std::vector<QuantizedPanels>> keep_quantized(std::span<const LinearPart> parts,
                                                                         const MatrixKernels& kernels,
                                                                         WeightMemory& memory,
                                                                         const ParallelFor& parallel_for);

/// The steps of int16 columns: what is known before they are expanded is how large any code of a group may be.
/// \param column_scale  written: [panels * panel_width]; NaN for columns with NaN or infinity
void bound_steps(std::span<const QuantizedPanels> runs, int k, int panel_width, const ParallelFor& parallel_for,
                 std::span<float> column_scale);

/// Floats of scratch for multiply_quantized.
[[nodiscard]] std::size_t expansion_floats(const MatrixKernels& kernels, int k);

/// The product of args' rows and panels; each panel is expanded into the scratch on the way.
/// \param runs     the weight's panels, of which args.b knows nothing
/// \param scratch  expansion_floats(kernels, k), aligned to 64 bytes
void multiply_quantized(const MatrixKernels& kernels, std::span<const QuantizedPanels> runs, int k,
                        const GemmArgs& args, float* scratch);

}  // namespace mlxe::cpu
