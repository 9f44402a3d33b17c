// Loading a model of tests/fixtures with some fields of its configuration changed.
#pragma once

#include <filesystem>
#include <memory>

#include "base/json.h"
#include "models/architecture.h"

namespace mlxe::testing {

/// \param changes  fields of config.json that are set; null for "as if absent"
inline std::unique_ptr<Model> load_changed(const std::filesystem::path& folder, const Json& changes, Backend& backend,
                                           const HeadSpec& head = {}) {
  Json config = load_json(folder / "config.json");
  config.update(changes);
  const JsonFields fields(config, "config.json");
  const Architecture& architecture = find_architecture(fields.text("model_type"));
  WeightMap weights(folder, architecture.weight_name);
  std::unique_ptr<Model> model = architecture.make(fields, weights, backend, head);
  weights.finish();
  return model;
}

}  // namespace mlxe::testing
