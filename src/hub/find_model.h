// The steps of find_model() that others share.
#pragma once

#include <string>
#include <string_view>

#include "hub/hub_environment.h"
#include "mlxe/hub.h"

namespace mlxe {

/// A model's snapshot as the cache has it, complete or not. \throws Error{kModelNotFound} if it has none
[[nodiscard]] Snapshot find_cached_snapshot(const std::string& name, const HubOptions& options);

/// The environment, for a use of the network. \throws Error{kModelNotFound} if it says that there is none to be used
[[nodiscard]] HubEnvironment online_environment(std::string_view name, const HubOptions& options);

}  // namespace mlxe
