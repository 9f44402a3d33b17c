// Which files of a model's folder go along into the converted one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace mlxe {

struct ModelFiles {
  std::vector<std::filesystem::path> copied;    ///< relative: configuration, tokenizer, templates, licences, heads
  std::vector<std::filesystem::path> weighted;  ///< folders with weights, "" for the model's own; relative
  std::size_t copied_bytes = 0;
};

/// Looks through the folder and what lies in it, three levels deep; links are followed. Weights in other formats, other
/// copies of them (onnx, openvino) and hidden files stay behind; so do README.md and indexes of weights, which are
/// written anew.
[[nodiscard]] ModelFiles find_model_files(const std::filesystem::path& folder);

/// Where of these the transformer's weights lie: "" for the folder itself or, in folders of old, that of the first
/// module.
/// \throws as read_checkpoint(), saying what is wrong, if there are none
[[nodiscard]] std::filesystem::path transformer_part(const ModelFiles& files, const std::filesystem::path& folder);

/// \throws Error{kIo}
void copy_files(const ModelFiles& files, const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace mlxe
