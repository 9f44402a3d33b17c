// The README.md of a converted model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "convert/write_weights.h"

namespace mlxe {

struct ModelCard {
  std::string source;       ///< "org/name", or a folder's own name
  bool from_hub = false;    ///< source is a repository's name
  std::string name;         ///< of the new folder
  std::string command;      ///< how it was made; "" if that is not known
  std::string description;  ///< "affine, 4 bits in groups of 64", "float16"
  std::vector<WrittenFile> files;
};

/// Keeps the fields of the source's card (license, languages, tags, ...), adds the tag "mlx" and, for a repository, its
/// name as base_model.
/// \param source_card  the source's README.md, or ""
[[nodiscard]] std::string model_card_text(const ModelCard& card, std::string_view source_card);

}  // namespace mlxe
