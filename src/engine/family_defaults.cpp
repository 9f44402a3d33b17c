// Looks the model up among the known families and says what came of it.
#include "engine/family_defaults.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "hub/known_families.h"
#include "mlxe/error.h"
#include "nn/pooling.h"

namespace mlxe {
namespace {

void settle_pooling(const std::optional<KnownFamily>& family, const std::string& model_type, PipelineSpec& pipeline) {
  const bool by_family = family && !family->pooling.empty();
  const std::string modes = by_family ? family->pooling : std::string(pooling_of_architecture(model_type));
  if (modes.empty()) {
    pipeline.warnings.push_back(
        fmt::format("{}: pooling is the mean by default, as in sentence-transformers", pipeline.pooling_gap));
    return;
  }
  pipeline.pooling.modes = parse_pooling(modes).modes;
  pipeline.pooling_source =
      by_family ? fmt::format("known family {}", family->name) : fmt::format("model_type {}", model_type);
  pipeline.warnings.push_back(fmt::format("{}: pooling is {}, as {} of the {} {}", pipeline.pooling_gap,
                                          to_string(pipeline.pooling), by_family ? "the models" : "published models",
                                          by_family ? "family" : "architecture",
                                          by_family ? family->name : model_type));
}

/// What the two-way Llama's own configuration class, LlamaBidirectionalConfig of its checkpoints, calls the poolings.
void take_configured_pooling(const JsonFields& config, PipelineSpec& pipeline) {
  const std::string word = config.text("pooling");
  const char* const mode = word == "avg" ? "mean" : word == "cls" ? "cls" : word == "last" ? "lasttoken" : nullptr;
  if (mode == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'pooling' is '{}', wanted avg, cls or last", config.what(), word));
  }
  pipeline.pooling.modes = parse_pooling(mode).modes;
  pipeline.pooling_source = "config.json (pooling)";
}

}  // namespace

void apply_family(const std::filesystem::path& folder, const JsonFields& config, PipelineSpec& pipeline,
                  TextSettings& settings) {
  const std::optional<KnownFamily> family = find_known_family(folder, config.text("_name_or_path", ""));
  if (pipeline.pooling_source == "default" && config.text("model_type") == "llama_bidirec" && config.has("pooling")) {
    take_configured_pooling(config, pipeline);
  } else if (pipeline.pooling_source == "default") {
    settle_pooling(family, config.text("model_type"), pipeline);
  }
  if (settings.prompts.empty() && family && !family->prompts.empty()) {
    settings.prompts = family->prompts;
    settings.prompt_source = fmt::format("known family {}", family->name);
  }
}

}  // namespace mlxe
