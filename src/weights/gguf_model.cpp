// Puts the parts of a GGUF model together.
#include "weights/gguf_model.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"
#include "weights/gguf_config.h"
#include "weights/gguf_names.h"
#include "weights/gguf_tokenizer.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

bool has_other_model(const fs::path& folder) {
  return std::ranges::any_of(std::array{"model.safetensors", "model.safetensors.index.json", "adapter_config.json"},
                             [&](const char* name) { return fs::exists(folder / name); });
}

}  // namespace

std::optional<fs::path> find_gguf(const fs::path& model) {
  std::error_code error;
  if (fs::is_regular_file(model, error)) {
    return model.extension() == ".gguf" ? std::optional(model) : std::nullopt;
  }
  if (!fs::is_directory(model, error) || has_other_model(model)) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(model, error)) {
    if (entry.path().extension() == ".gguf") {
      names.push_back(entry.path().filename().string());
    }
  }
  std::ranges::sort(names);
  if (names.size() > 1) {
    throw Error(ErrorCode::kUnsupported, fmt::format("'{}' holds {} GGUF files, name one of them: {}", model.string(),
                                                     names.size(), fmt::join(names, ", ")));
  }
  return names.empty() ? std::nullopt : std::optional(model / names.front());
}

GgufModel read_gguf_model(const fs::path& path) {
  const GgufFile file(path);
  if (file.integer("split.count").value_or(1) > 1) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: the model is split into several files; join them with llama-gguf-split --merge",
                            path.string()));
  }
  const std::string family = gguf_family(file);
  GgufTokenizer tokenizer = gguf_tokenizer(file, family);
  return {.path = path,
          .config = JsonFields(gguf_config(file, family), fmt::format("{} (its metadata)", path.string())),
          .tensors = gguf_checkpoint(file, family),
          .pooling = gguf_pooling(file),
          .tokenizer_json = std::move(tokenizer.json),
          .tokenizer_gap = std::move(tokenizer.gap),
          .mask_token = std::move(tokenizer.mask_token),
          .eos_token = std::move(tokenizer.eos_token),
          .chat_template = file.text("tokenizer.chat_template")};
}

}  // namespace mlxe
