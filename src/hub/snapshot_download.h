// Everything that a model needs of a repository, at one commit, into the cache.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "hub/cache_layout.h"
#include "hub/hub_environment.h"
#include "mlxe/hub.h"

namespace mlxe {

/// Which files of a repository are wanted; without either those of file_selection.h.
struct WantedFiles {
  std::set<std::string> only = {};       ///< if not empty: no others than these
  std::optional<std::string> gguf = {};  ///< this GGUF file in the place of other weights
};

/// Downloads what the cache lacks of a revision. The snapshot's weights and the reference to it appear last, so what
/// can be found is complete. A cache that holds all of it is not written to.
/// \returns nothing if the hub shows no such repository
/// \throws HubUnreachable, and as download_model()
[[nodiscard]] std::optional<Snapshot> download_snapshot(const std::string& repository, const std::string& revision,
                                                        const HubEnvironment& environment, const HubOptions& options,
                                                        const WantedFiles& files = {});

}  // namespace mlxe
