// What a folder leaves open, filled in with what is known of its family.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "engine/pipeline.h"
#include "engine/text_settings.h"

namespace mlxe {

/// Pooling where the folder declares none: what config.json says (of the two-way Llama alone), else that of the family,
/// else of the architecture, else the mean that is there already; the source says so, and of the last three a warning.
/// Prompts where the folder declares none: those of the family.
/// \param folder  the model's own: its name and its repository's are looked up
/// \param config  config.json
/// \throws Error{kUnsupported} for a pooling of config.json that there is not
void apply_family(const std::filesystem::path& folder, const JsonFields& config, PipelineSpec& pipeline,
                  TextSettings& settings);

}  // namespace mlxe
