// Scores over the vocabulary: hidden words filled in, and sparse vectors (SPLADE).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// See Engine::fill_mask.
[[nodiscard]] std::vector<FilledText> fill_mask(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                                const FillMaskOptions& options);

/// See Engine::sparse.
[[nodiscard]] std::vector<SparseVector> sparse(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                               const SparseOptions& options);

}  // namespace mlxe
