// Puts a GGUF file's metadata behind the files that lie beside it.
#include "engine/gguf_source.h"

#include <fmt/format.h>

#include "mlxe/error.h"
#include "nn/pooling.h"

namespace mlxe {

void apply_gguf(const GgufModel& gguf, PipelineSpec& pipeline, TextSettings& settings) {
  if (gguf.pooling && pipeline.pooling_source == "default") {
    pipeline.pooling.modes = parse_pooling(*gguf.pooling).modes;
    pipeline.pooling_source = "GGUF metadata (pooling_type)";
  }
  if (gguf.config.text("model_type") == "gemma3_text" && pipeline.steps.empty()) {
    pipeline.warnings.emplace_back(
        "a GGUF file of EmbeddingGemma holds no Dense modules, so these are not the vectors of the original model; put "
        "its modules.json and the folders that it names beside the file");
  }
  settings.mask_token = settings.mask_token.empty() ? gguf.mask_token.value_or("") : settings.mask_token;
  settings.eos_token = settings.eos_token.empty() ? gguf.eos_token.value_or("") : settings.eos_token;
  if (!settings.chat_template) {
    settings.chat_template = gguf.chat_template;
  }
}

Tokenizer load_gguf_tokenizer(const GgufModel& gguf, const TextSettings& settings) {
  const Casing casing = settings.lower_case ? Casing::kLower : Casing::kAsFile;
  const std::filesystem::path beside = gguf.path.parent_path() / "tokenizer.json";
  if (std::filesystem::exists(beside)) {
    return Tokenizer(beside, casing);
  }
  if (!gguf.tokenizer_json) {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{}: its tokenizer cannot be rebuilt exactly: {}; put the model's tokenizer.json beside the "
                    "file",
                    gguf.path.string(), gguf.tokenizer_gap));
  }
  return Tokenizer(TokenizerJson{*gguf.tokenizer_json, gguf.path.string() + " (its vocabulary)"}, casing);
}

}  // namespace mlxe
