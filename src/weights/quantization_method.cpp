// The methods that transformers knows, and what becomes of each.
#include "weights/quantization_method.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "tensor/quantization.h"
#include "weights/awq.h"
#include "weights/compressed_tensors.h"
#include "weights/gptq.h"

namespace mlxe {
namespace {

using Translate = void (*)(const JsonFields& settings, Checkpoint& checkpoint);

struct Method {
  std::string_view name;
  Translate translate;
};

constexpr std::array kMethods = {
    Method{"awq", translate_awq},
    Method{"gptq", translate_gptq},
    Method{"compressed-tensors", translate_compressed_tensors},
    Method{"fp8", translate_fp8},
    Method{"fbgemm_fp8", translate_fp8},
};

std::optional<JsonFields> settings_of(const JsonFields& config) {
  for (const char* key :
       {"quantization", "quantization_config"}) {  // MLX's own word goes first, as in QuantizationConfig
    if (config.has(key) && config.at(key).is_object()) {
      return JsonFields(config.at(key), fmt::format("{}: '{}'", config.what(), key));
    }
  }
  return config.has("text_config")
             ? settings_of(JsonFields(config.at("text_config"), fmt::format("{}: 'text_config'", config.what())))
             : std::nullopt;
}

[[noreturn]] void refuse(const std::string& method, const JsonFields& settings) {
  // A model's author always has the weights that were quantised.
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: 'quant_method' is '{}', whose weights cannot be read; take the model that it was made "
                          "from and, if it has to be small, quantise that with 'mlx_embeddings convert -q'. Wanted one "
                          "of MLX's own formats, awq, gptq, compressed-tensors, fp8, or a GGUF file",
                          settings.what(), printable(method, 40)));
}

/// Tensors that only make sense with settings that config.json does not have.
void check_plain(const JsonFields& config, const Checkpoint& checkpoint) {
  for (const auto& [name, stored] : checkpoint) {
    if (name.ends_with(".qweight") || name.ends_with(".weight_packed")) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("tensor '{}' is packed by a quantisation, and {} has no 'quantization_config' that says "
                              "by which; wanted the config.json that was saved with these weights",
                              printable(name, 120), config.what()));
    }
  }
}

}  // namespace

CheckpointTranslator translator_of(const JsonFields& config) {
  const std::optional<JsonFields> settings = settings_of(config);
  const std::string name = settings ? settings->text("quant_method", "") : "";
  if (name.empty()) {
    return [config](Checkpoint& checkpoint) { check_plain(config, checkpoint); };
  }
  const auto* const method = std::ranges::find(kMethods, name, &Method::name);
  if (method != kMethods.end()) {
    return [settings = *settings, translate = method->translate](Checkpoint& checkpoint) {
      translate(settings, checkpoint);
    };
  }
  const std::optional<QuantizationMode> mode = quantization_mode(name);
  if (!mode || mode == QuantizationMode::kAffine) {
    refuse(name, *settings);
  }
  return {};  // MLX's formats are named so too
}

}  // namespace mlxe
