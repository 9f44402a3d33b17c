// One or several scores for a text or a pair of texts: classification, cross-encoders, rerankers.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// See Engine::classify.
[[nodiscard]] Classifications classify(const LoadedModel& loaded, std::span<const std::string_view> texts,
                                       const ClassifyOptions& options);
/// See Engine::classify_pairs.
[[nodiscard]] Classifications classify_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                             const ClassifyOptions& options);
/// See Engine::classify_ids.
[[nodiscard]] Classifications classify_ids(const LoadedModel& loaded, std::span<const TokenRow> rows,
                                           const ClassifyOptions& options);
/// See Engine::score_pairs.
[[nodiscard]] PairScores score_pairs(const LoadedModel& loaded, std::span<const TextPair> pairs,
                                     const RerankOptions& options);
/// See Engine::rerank.
[[nodiscard]] std::vector<RankedDocument> rerank(const LoadedModel& loaded, std::string_view query,
                                                 std::span<const std::string_view> documents,
                                                 const RerankOptions& options);

}  // namespace mlxe
