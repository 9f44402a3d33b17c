// Weights as the CPU backend keeps them: packed panels, and tables left where the checkpoint has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/half_panels.h"
#include "backend/cpu/kernel_table.h"
#include "backend/cpu/quantized_panels.h"
#include "backend/cpu/team.h"
#include "backend/cpu/weight_memory.h"
#include "tensor/backend.h"
#include "tensor/ops.h"

namespace mlxe::cpu {

/// The panels of the weight that was packed after another one, which is the order in which models use them; of codes
/// where it is quantised, those of its first format.
struct NextPanels {
  WeightMemory::Block panels;
  int count = 0;
  std::ptrdiff_t panel_words = 0;  // from one to the next

  /// Where the first panel of a share begins; null without panels.
  [[nodiscard]] const void* share(int index, int num_shares) const {
    return panels.data == nullptr ? nullptr : panels.data + begin_of_share(index, num_shares, count) * panel_words;
  }
};

struct PackedLinear final : WeightStorage {
  const MatrixKernels* kernels = nullptr;
  WeightMemory::Block panels;  // [num_panels][k_words][panel_width] words, or halves; none if `quantized` has them
  void (*gemm)(const GemmArgs&) = nullptr;  // what reads them
  bool has_halves = false;                  // of 16 bits, the checkpoint's own, at fp32
  std::vector<QuantizedPanels> quantized;   // each begins at the panel where the one before it ends
  int k_words = 0;
  int num_panels = 0;
  std::vector<float> bias;          // [num_panels * panel_width], or empty
  std::vector<float> column_scale;  // int8 and int16: [num_panels * panel_width]
  std::vector<float> column_sum;    // likewise

  /// Filled in by the backend.
  std::shared_ptr<NextPanels> next = std::make_shared<NextPanels>();
};

/// Rows stay in the mapped checkpoint, in its own type: only the rows that texts use are ever read.
struct MappedTable final : WeightStorage {
  HostTensor weight;
};

/// Each head's part in panels of words, as its attention kernels read them.
struct CpuPositions final : WeightStorage {
  WeightMemory::Block words;         // [heads][words of a head]
  std::vector<float> scales;         // [heads][columns], where the kernels' words are scaled
  std::ptrdiff_t words_of_head = 0;  // rounded up to a cache line
  std::ptrdiff_t columns = 0;        // buckets in whole panels

  [[nodiscard]] PackedPositions head(int index) const {
    return {reinterpret_cast<const float*>(words.data) + index * words_of_head, scales.data() + index * columns};
  }
};

struct FloatNorm final : WeightStorage {
  std::vector<float> scale;
  std::vector<float> shift;  // or empty
};

struct ConvTaps final : WeightStorage {
  std::vector<float> taps;  // [taps, channels]
  std::vector<float> bias;  // [channels], or empty
};

/// Of a weight at int8, by power: 1.5 % of its size. Rotated, all of MiniLM's layers lose 0.8 %, as normal values do;
/// more is lost where a row of thousands is nearly empty.
inline constexpr double kMostInt8Noise = 2.25e-4;

/// As the weight that was packed before has to know them.
[[nodiscard]] NextPanels panels_of(const PackedLinear& weight, int in_features);

/// Each gives an empty handle if a tensor has no data.
/// \throws Error{kInvalidInput} if shapes do not fit
/// \param spare  for a weight that would lose too much at int8; or null
[[nodiscard]] LinearWeight pack_linear(const MatrixKernels& wanted, const MatrixKernels* spare, WeightMemory& memory,
                                       const ParallelFor& parallel_for, std::span<const LinearPart> parts);
[[nodiscard]] EmbeddingTable map_table(const HostTensor& weight);
[[nodiscard]] PositionTable pack_positions(const AttentionKernels& kernels, WeightMemory& memory,
                                           const HostTensor& weight, int num_heads, Compared compared);
[[nodiscard]] NormWeight copy_norm(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset);
[[nodiscard]] ConvWeight copy_conv(const HostTensor& weight, const std::optional<HostTensor>& bias);

/// Elements [first, first + count) of a weight, widened to float32; whole rows of a quantised one.
void widen(const HostTensor& weight, std::size_t first, std::size_t count, float* out);

}  // namespace mlxe::cpu
