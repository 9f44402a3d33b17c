// Which layers of a checkpoint config.json calls quantised and how, and putting their tensors together.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/quantization.h"
#include "weights/safetensors.h"

namespace mlxe {

/// The `quantization` of a config.json as MLX writes it: a format for all layers, and layers that differ.
class QuantizationConfig {
 public:
  QuantizationConfig() = default;  ///< no layer is quantised

  /// Another library's method is not for here (weights/quantization_method.h), but that of tensors in MLX's packing.
  /// \throws Error{kCorruptModel} for a format that libmlx does not have, with the list of those it has
  [[nodiscard]] static QuantizationConfig parse(const JsonFields& config);

  [[nodiscard]] bool empty() const { return !format_.has_value(); }
  /// Nothing for a layer that is not quantised.
  /// \param path  the layer's name in the checkpoint: that of its weight without ".weight"
  [[nodiscard]] std::optional<QuantizationFormat> format_of(std::string_view path) const;
  [[nodiscard]] bool lists(std::string_view path) const { return layers_.contains(path); }  ///< as one that differs

 private:
  std::optional<QuantizationFormat> format_;
  std::map<std::string, std::optional<QuantizationFormat>, std::less<>> layers_;
};

/// The tensors of a quantised layer, named in the checkpoint X.weight, X.scales and X.biases.
struct QuantizedParts {
  StoredTensor weight;
  std::optional<StoredTensor> scales;
  std::optional<StoredTensor> biases;
};

/// Shape of the elements, if the weight has whole words of codes.
[[nodiscard]] std::optional<Shape> unpacked_shape(const Shape& packed, const QuantizationFormat& format);

/// One thing that is wrong with a layer's tensors.
struct QuantizedMisfit {
  std::string tensor;  ///< "weight", "scales" or "biases"
  std::string reason;  ///< "has shape [3, 4], wanted [3, 2]"
};

/// The weight as one tensor of `shape`, or all that does not fit.
[[nodiscard]] std::optional<HostTensor> assemble(const QuantizedParts& parts, const QuantizationFormat& format,
                                                 const Shape& shape, std::vector<QuantizedMisfit>& misfits);

/// The weight's elements as float32, in memory of their own.
[[nodiscard]] HostTensor expand(const HostTensor& weight);

}  // namespace mlxe
