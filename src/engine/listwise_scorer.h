// A decoder that reads a query and many documents in one prompt and scores them together (jina-reranker-v3).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// Tokens that stand in the prompt behind each document and behind the query: there the model puts their vectors.
inline constexpr std::string_view kListwiseDocumentToken = "<|embed_token|>";
inline constexpr std::string_view kListwiseQueryToken = "<|rerank_token|>";

/// The cosine of the query with each document, all of which see the ones before them. Long lists are cut into blocks
/// as the model's own code does it, and the query's vectors of the blocks averaged; a block is one forward.
/// \param options  max_length cuts each document, 2,048 tokens at most; the query has up to 512
/// \throws Error{kTooLong} if a block has more tokens than the model has positions
/// Source: JinaForRanking.rerank of jina-reranker-v3
[[nodiscard]] PairScores score_list(const LoadedModel& loaded, std::string_view query,
                                    std::span<const std::string_view> documents, const RerankOptions& options);

}  // namespace mlxe
