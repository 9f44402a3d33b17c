// Is a snapshot of the cache all that a model needs? Decided without the network.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "hub/cache_layout.h"

namespace mlxe {

enum class Completeness {
  kComplete,
  kLoadable,    ///< there are weights and a configuration, but what stands around them may be missing
  kIncomplete,  ///< there are no weights, or a link leads nowhere
};

/// Other tools leave snapshots with just the files that they asked for. Without modules.json a folder looks like one
/// that says nothing of pooling; only the hub, or its note in .no_exist, tells whether the repository has one. So it is
/// with the safetensors beside a GGUF file.
/// \param gguf  as select_rest() takes it
[[nodiscard]] Completeness check_snapshot(const CachedRepository& cache, std::string_view commit,
                                          const std::optional<std::string>& gguf = {});

/// The files whose absence a download notes.
inline constexpr std::array<std::string_view, 3> kNotedFiles = {"modules.json", "model.safetensors",
                                                                "model.safetensors.index.json"};

/// The path to hand to a loader: that of the GGUF file that was chosen or, if there are no other weights, is meant;
/// else the folder.
/// \throws Error{kModelNotFound} as choose_gguf()
[[nodiscard]] std::filesystem::path model_path(const std::filesystem::path& folder,
                                               const std::optional<std::string>& gguf, std::string_view where);

}  // namespace mlxe
