// Jina's BERT: what checkpoints of model_type bert with position_embedding_type alibi are.
#pragma once

#include <memory>

#include "models/architecture.h"

namespace mlxe {

/// \throws Error{kUnsupported} for a head other than that for labels of texts
[[nodiscard]] std::unique_ptr<Model> make_jina_bert(const JsonFields& config, WeightMap& weights, Backend& backend,
                                                    const HeadSpec& head);

}  // namespace mlxe
