// What model cards say of published models and their folders often do not: how to pool, and what to put before a text.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace mlxe {

struct KnownFamily {
  std::string name;     ///< for people: "Qwen3-Embedding"
  std::string pooling;  ///< as parse_pooling() reads it; empty: the card does not say, or the folder always does
  std::map<std::string, std::string> prompts = {};  ///< by name, "query" and "document" first of all
};

/// The family of a model, by its repository's name. The first of these that is known decides: the names of the folders
/// on the path (the Hugging Face cache has the repository's among them), the name that its configuration carries.
/// \param path       the model's folder
/// \param base_name  `_name_or_path` of config.json; may be empty
[[nodiscard]] std::optional<KnownFamily> find_known_family(const std::filesystem::path& path,
                                                           std::string_view base_name);

/// How models of an architecture are pooled where all published ones agree; empty: they do not.
[[nodiscard]] std::string_view pooling_of_architecture(std::string_view model_type);

}  // namespace mlxe
