// ModelFolders: where a model's parts lie, as an adapter's folder may hold only what differs from its base model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "mlxe/hub.h"

namespace mlxe {

struct ModelFolders {
  std::filesystem::path pipeline;  ///< modules.json and what it lists, prompts
  /// config.json and the weights, if they lie elsewhere than the pipeline says: the base of an adapter
  std::optional<std::filesystem::path> base = {};
  std::optional<std::filesystem::path> adapter = {};  ///< adapter_config.json and its weights
};

/// \param folder   a model's, or that of an adapter: then its base is the same folder if that has weights, else what
///                 base_model_name_or_path names (a folder inside the adapter's own first, then as Engine::load does)
/// \param adapter  folder or name of an adapter that `folder` is the base of
/// \param hub      how such names are looked up; its revision is the model's own, not theirs
/// \throws Error{kModelNotFound, kCorruptModel, kUnsupported}
[[nodiscard]] ModelFolders find_model_folders(const std::filesystem::path& folder,
                                              const std::optional<std::string>& adapter, const HubOptions& hub = {});

/// The folder to read tokenizer.json and its settings from: the first of the two that has the file, else the second.
[[nodiscard]] std::filesystem::path tokenizer_folder(const std::filesystem::path& own,
                                                     const std::filesystem::path& base);

}  // namespace mlxe
