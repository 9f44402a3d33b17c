// From the name of a model to its folder on this machine.
#pragma once

#include <filesystem>
#include <string>

namespace mlxe {

/// An existing folder wins; else an alias (families.h) or "org/name" is looked up in the Hugging Face cache:
/// HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub, revision "main".
/// A bare name that is no alias is tried as it is and under sentence-transformers/.
/// \returns a folder that holds config.json, modules.json or adapter_config.json
/// \throws Error{kModelNotFound} saying where was looked, and the nearest known name;
///         Error{kCorruptModel} for a folder without any of the three; Error{kInvalidInput} for an empty name
[[nodiscard]] std::filesystem::path resolve_model(const std::string& name);

}  // namespace mlxe
