// Is a snapshot of the cache all that a model needs? Decided without the network.
#pragma once

#include <string_view>

#include "hub/cache_layout.h"

namespace mlxe {

enum class Completeness {
  kComplete,
  kLoadable,    ///< there are weights and a configuration, but what stands around them may be missing
  kIncomplete,  ///< there are no weights, or a link leads nowhere
};

/// Other tools leave snapshots with just the files that they asked for. Without modules.json a folder looks like one
/// that says nothing of pooling; only the hub, or its note in .no_exist, tells whether the repository has one.
[[nodiscard]] Completeness check_snapshot(const CachedRepository& cache, std::string_view commit);

}  // namespace mlxe
