// The config.json of a converted model.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tensor/quantization.h"

namespace mlxe {

/// What config.json says of quantised layers: the format of most of them and those that differ.
struct QuantizationNote {
  QuantizationFormat format;
  std::vector<std::pair<std::string, QuantizationFormat>> layers = {};  ///< by path
};

struct FormattedLayer {
  std::string path;
  QuantizationFormat format;
  std::size_t num_parameters = 0;
};

/// The format that most parameters have is the general one. Nothing if no layer is quantised.
[[nodiscard]] std::optional<QuantizationNote> note_of(const std::vector<FormattedLayer>& layers);

/// `config` without `_name_or_path`, with `quantization` and its twin `quantization_config` as noted.
/// \param keeps_quantization  the weights stay packed as they are: what config says of them stays too
/// \param skip_vision         goes into vision_config where there is one and layers were quantised
[[nodiscard]] Json converted_config(Json config, const std::optional<QuantizationNote>& note, bool keeps_quantization,
                                    bool skip_vision);

}  // namespace mlxe
