// config.json out of a GGUF file's metadata.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "weights/gguf_file.h"

namespace mlxe {

/// What config.json says of such a model, in the words of its `model_type`.
/// \param family  as gguf_family() gives it
/// \throws Error{kCorruptModel} naming a key that is missing; Error{kUnsupported} for rope that cannot be told
[[nodiscard]] Json gguf_config(const GgufFile& file, const std::string& family);

/// "mean", "cls" or "lasttoken"; nothing if the file leaves it open.
/// \throws Error{kUnsupported} for a reranker's
[[nodiscard]] std::optional<std::string> gguf_pooling(const GgufFile& file);

}  // namespace mlxe
