// Linear weights of 16 bits at fp32: panels of what the checkpoint has.
#include "backend/cpu/half_panels.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace mlxe::cpu {
namespace {

/// Rows of weights to columns [0, rows.size()) of a panel, zeros in the others.
/// \tparam Element  one value of 16 bits, or two that stay side by side
/// \param rows   of `count` elements each, at any byte
/// \param panel  written: [count, width] elements
template <class Element>
void pack_panel(std::span<const std::byte* const> rows, std::size_t count, std::size_t width, Element* panel) {
  constexpr std::size_t kBlock = 512 / sizeof(Element);  // lines of a row follow each other, and writes stay in L1
  constexpr std::size_t kAtOnce = 4;                     // columns, of which every panel has a multiple
  Element elements[kAtOnce][kBlock] = {};
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t taken = std::min(kBlock, count - begin);
    for (std::size_t column = 0; column < width; column += kAtOnce) {
      for (std::size_t j = 0; j < kAtOnce; ++j) {
        if (column + j < rows.size()) {
          std::memcpy(elements[j], rows[column + j] + begin * sizeof(Element), taken * sizeof(Element));
        } else {
          std::ranges::fill(elements[j], Element{0});
        }
      }
      Element* out = panel + begin * width + column;
      for (std::size_t i = 0; i < taken; ++i) {
        const Element line[kAtOnce] = {elements[0][i], elements[1][i], elements[2][i], elements[3][i]};
        std::memcpy(out + i * width, line, sizeof line);
      }
    }
  }
}

}  // namespace

auto gemm_of_halves(const MatrixKernels& kernels, std::span<const LinearPart> parts) -> void (*)(const GemmArgs&) {
  const DType dtype = parts[0].weight.dtype;
  const bool alike = std::ranges::all_of(
      parts, [&](const LinearPart& part) { return part.weight.dtype == dtype && part.weight.quantization == nullptr; });
  if (!alike || parts[0].weight.shape[1] % kHalvesStep != 0) {
    return nullptr;
  }
  return dtype == DType::kBFloat16 ? kernels.gemm_of_bf16 : dtype == DType::kFloat16 ? kernels.gemm_of_fp16 : nullptr;
}

std::ptrdiff_t half_panel_words(const MatrixKernels& kernels, int k) {
  return static_cast<std::ptrdiff_t>(k) * kernels.panel_width / 2;
}

void pack_halves(const MatrixKernels& kernels, std::span<const LinearPart> parts, int k, int num_panels,
                 const ParallelFor& parallel_for, std::int32_t* panels) {
  const auto width = static_cast<std::size_t>(kernels.panel_width);
  const auto features = static_cast<std::size_t>(k);
  std::vector<const std::byte*> rows;
  for (const LinearPart& part : parts) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(part.weight.shape[0]); ++row) {
      rows.push_back(part.weight.data + row * features * sizeof(std::uint16_t));
    }
  }
  // A piece of a megabyte or two takes far longer than waking a thread.
  constexpr std::size_t kPieceElements = std::size_t{1} << 19;
  const auto count = static_cast<std::size_t>(num_panels);
  const std::size_t pieces = std::clamp<std::size_t>(rows.size() * features / kPieceElements, 1, count);
  parallel_for(pieces, [&](std::size_t piece) {
    for (std::size_t panel = count * piece / pieces; panel < count * (piece + 1) / pieces; ++panel) {
      const std::size_t first = panel * width;
      const auto of_panel = std::span(rows).subspan(first, std::min(width, rows.size() - first));
      std::int32_t* out = panels + first * features / 2;
      if (parts[0].weight.dtype == DType::kBFloat16) {
        pack_panel(of_panel, features / 2, width, out);
      } else {
        pack_panel(of_panel, features, width, reinterpret_cast<std::uint16_t*>(out));
      }
    }
  });
}

}  // namespace mlxe::cpu
