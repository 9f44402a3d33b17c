// The model families whose short names the library knows.
#pragma once

#include <string>
#include <vector>

namespace mlxe {

struct ModelFamily {
  std::string name;
  std::string model_type;             ///< config.json's; supported_model_types() says whether this build loads it
  std::string default_model;          ///< what the family's aliases stand for
  std::vector<std::string> variants;  ///< repositories of the family
  std::vector<std::string> aliases;   ///< matched without regard to case
};

/// All known families, sorted by name.
[[nodiscard]] const std::vector<ModelFamily>& model_families();

/// What a model's name stands for: an existing folder and any unknown name for themselves, an alias or a variant's
/// short name ("all-MiniLM-L6-v2") for its repository.
[[nodiscard]] std::string canonical_model_name(const std::string& name);

}  // namespace mlxe
