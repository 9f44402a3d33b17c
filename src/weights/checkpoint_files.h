// The weight files of a folder: one safetensors file, or the shards that an index lists.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "weights/safetensors.h"

namespace mlxe {

/// All tensors of model.safetensors or, without it, of the shards of model.safetensors.index.json.
/// \throws Error{kCorruptModel} if there is neither, if a shard is missing (all are listed), breaks the format or lacks
///         a tensor that the index puts there; Error{kUnsupported} if weights are there in another format only
[[nodiscard]] std::map<std::string, StoredTensor> read_checkpoint(const std::filesystem::path& folder);

/// True for a plain file name that stays in its folder on every system and ends in ".safetensors".
[[nodiscard]] bool is_safe_shard_name(std::string_view name);

}  // namespace mlxe
