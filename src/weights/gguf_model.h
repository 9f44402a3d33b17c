// GgufModel: a model in a GGUF file, in the words of a Hugging Face checkpoint.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/json.h"
#include "weights/gguf_file.h"
#include "weights/stored_tensor.h"

namespace mlxe {

struct GgufModel {
  std::filesystem::path path;
  JsonFields config;                          ///< what config.json would say
  Checkpoint tensors;                         ///< by their names in a checkpoint
  std::optional<std::string> pooling;         ///< "mean", "cls" or "lasttoken", if the file says so
  std::optional<std::string> tokenizer_json;  ///< what that file would hold; nothing if it cannot be rebuilt exactly
  std::string tokenizer_gap;                  ///< why not
  std::optional<std::string> mask_token;
  std::optional<std::string> eos_token;
  std::optional<std::string> chat_template;
};

/// The GGUF file that a model's name means: a path to one, or a folder's only one if there is neither config.json nor
/// safetensors. Nothing for all other models.
/// \throws Error{kUnsupported} for a folder with several, naming them
[[nodiscard]] std::optional<std::filesystem::path> find_gguf(const std::filesystem::path& model);

/// \throws Error{kCorruptModel} naming a key or tensor that is missing or wrong; Error{kUnsupported} for an
/// architecture
///         or an element type that is not supported
/// Source: the conversion of llama.cpp: convert_hf_to_gguf.py and gguf-py/gguf/tensor_mapping.py
[[nodiscard]] GgufModel read_gguf_model(const std::filesystem::path& path);

}  // namespace mlxe
