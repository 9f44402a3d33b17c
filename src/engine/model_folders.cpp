// Finds the base model of an adapter.
#include "engine/model_folders.h"

#include <algorithm>

#include <fmt/format.h>

#include "hub/resolve.h"
#include "mlxe/error.h"
#include "weights/lora.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

// Before its 2.0 sentence-transformers put the transformer into a folder of its own.
constexpr const char* kTransformer = "0_Transformer";

bool has_model(const fs::path& folder) {
  return fs::exists(folder / "config.json") &&
         (fs::exists(folder / "model.safetensors") || fs::exists(folder / "model.safetensors.index.json"));
}

bool has_pipeline(const fs::path& folder) {
  return fs::exists(folder / "modules.json") || fs::exists(folder / "1_Pooling");
}

/// The folder with adapter_config.json, if the model in `folder` has one.
std::optional<fs::path> adapter_in(const fs::path& folder) {
  for (fs::path place : {folder, folder / kTransformer}) {
    if (has_adapter(place)) {
      return place;
    }
  }
  return std::nullopt;
}

fs::path find_base(const fs::path& adapter, const HubOptions& hub) {
  const std::string name = read_lora_config(adapter).base_model;
  if (name.empty()) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: names no 'base_model_name_or_path'; name the base as the model and this folder as its "
                            "adapter",
                            (adapter / "adapter_config.json").string()));
  }
  const fs::path path(name);
  const bool climbs = std::ranges::find(path, fs::path("..")) != path.end();
  const fs::path inside = adapter / path;
  try {
    fs::path base = path.is_relative() && !climbs && fs::is_directory(inside) ? inside : resolve_model(name, hub);
    if (adapter_in(base)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("'{}' is an adapter itself, an adapter of an adapter is not supported", base.string()));
    }
    if (!fs::exists(base / "config.json") && !fs::exists(base / kTransformer / "config.json")) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("'{}' holds no config.json, nor does its {}", base.string(), kTransformer));
    }
    return base;
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("the base model of the adapter in {}: {}", adapter.string(), error.what()));
  }
}

}  // namespace

ModelFolders find_model_folders(const fs::path& folder, const std::optional<std::string>& adapter,
                                const HubOptions& hub) {
  HubOptions others = hub;
  others.revision.reset();
  const std::optional<fs::path> own = adapter_in(folder);
  if (adapter) {
    const fs::path found = resolve_model(*adapter, others);
    if (!has_adapter(found)) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("'{}' holds no adapter_config.json, so it is no adapter", found.string()));
    }
    if (own) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("'{}' is an adapter itself, so '{}' cannot be put on it; wanted a model without an adapter",
                      folder.string(), found.string()));
    }
    return {.pipeline = folder, .adapter = found};
  }
  if (!own) {
    return {.pipeline = folder};
  }
  if (has_model(*own)) {
    return {.pipeline = has_pipeline(folder) ? folder : *own, .base = own, .adapter = own};
  }
  const fs::path base = find_base(*own, others);
  const fs::path model = fs::exists(base / "config.json") ? base : base / kTransformer;
  return {.pipeline = has_pipeline(folder) ? folder : base, .base = model, .adapter = own};
}

fs::path tokenizer_folder(const fs::path& own, const fs::path& base) {
  return fs::exists(own / "tokenizer.json") ? own : base;
}

}  // namespace mlxe
