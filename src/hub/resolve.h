// From the name of a model to its folder on this machine, for the rooms above.
#pragma once

#include <filesystem>
#include <string>

#include "mlxe/hub.h"

namespace mlxe {

/// The folder (or GGUF file) of find_model(), which must look like a model's: config.json, modules.json or
/// adapter_config.json, or weights in GGUF.
/// \throws as find_model(); Error{kCorruptModel} for a folder without any of these; Error{kInvalidInput} for an empty
/// name
[[nodiscard]] std::filesystem::path resolve_model(const std::string& name, const HubOptions& options = {});

}  // namespace mlxe
