// `quantization` as MLX's loaders read it.
#include "convert/config_file.h"

#include <algorithm>

namespace mlxe {
namespace {

Json json_of(const QuantizationFormat& format) {
  return {{"group_size", format.group_size}, {"bits", format.bits}, {"mode", std::string(to_string(format.mode))}};
}

}  // namespace

std::optional<QuantizationNote> note_of(const std::vector<FormattedLayer>& layers) {
  struct Share {
    QuantizationFormat format;
    std::size_t num_parameters;
  };
  std::vector<Share> shares;
  for (const FormattedLayer& layer : layers) {
    const auto found = std::ranges::find(shares, layer.format, &Share::format);
    if (found == shares.end()) {
      shares.push_back({layer.format, layer.num_parameters});
    } else {
      found->num_parameters += layer.num_parameters;
    }
  }
  if (shares.empty()) {
    return std::nullopt;
  }
  QuantizationNote note{.format = std::ranges::max_element(shares, {}, &Share::num_parameters)->format};
  for (const FormattedLayer& layer : layers) {
    if (layer.format != note.format) {
      note.layers.emplace_back(layer.path, layer.format);
    }
  }
  return note;
}

Json converted_config(Json config, const std::optional<QuantizationNote>& note, bool keeps_quantization,
                      bool skip_vision) {
  config.erase("_name_or_path");
  if (!keeps_quantization) {
    for (const char* key : {"quantization", "quantization_config"}) {
      config.erase(key);
      if (const auto text = config.find("text_config"); text != config.end() && text->is_object()) {
        text->erase(key);
      }
    }
  }
  if (note) {
    Json block = json_of(note->format);
    for (const auto& [path, format] : note->layers) {
      block[path] = json_of(format);
    }
    config["quantization"] = block;
    config["quantization_config"] = block;
    if (const auto vision = config.find("vision_config"); vision != config.end() && vision->is_object()) {
      (*vision)["skip_vision"] = skip_vision;
    }
  }
  return config;
}

}  // namespace mlxe
