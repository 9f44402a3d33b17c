// The table of architectures that registry.def lists, and looking one up.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest.h"
#include "mlxe/error.h"
#include "models/architecture.h"

namespace mlxe {

// What each models/<name>.cpp defines.
#define MLXE_ARCHITECTURE(name, model_type)                                                          \
  std::unique_ptr<Model> make_##name(const JsonFields& config, WeightMap& weights, Backend& backend, \
                                     const HeadSpec& head);                                          \
  std::optional<std::string> name##_weight_name(std::string_view checkpoint_name);
#include "models/registry.def"
#undef MLXE_ARCHITECTURE

namespace {

constexpr auto kArchitectures = std::to_array<Architecture>({
#define MLXE_ARCHITECTURE(name, model_type) {model_type, make_##name, name##_weight_name},
#include "models/registry.def"
#undef MLXE_ARCHITECTURE
});

}  // namespace

const Architecture& find_architecture(std::string_view model_type) {
  const auto* found = std::ranges::find(kArchitectures, model_type, &Architecture::model_type);
  if (found != kArchitectures.end()) {
    return *found;
  }
  const std::vector<std::string> known = architecture_names();
  const std::optional<std::string> nearest = nearest_name(model_type, known);
  throw Error(ErrorCode::kUnsupported,
              fmt::format("model_type '{}' is not supported{}, wanted one of: {}", model_type,
                          nearest ? fmt::format(" (did you mean '{}'?)", *nearest) : "", fmt::join(known, ", ")));
}

TokenChoice Model::tokens_of_logits(const PackedBatch& /*batch*/) const {
  return std::nullopt;
}

Tensor Model::logits(Ops& /*ops*/, const Tensor& /*hidden*/, const PackedBatch& /*batch*/) const {
  throw Error(ErrorCode::kUnsupported, "the model was loaded without a head, so it has no logits");
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : kArchitectures) {
    names.emplace_back(architecture.model_type);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace mlxe
