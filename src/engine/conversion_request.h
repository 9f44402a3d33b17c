// What a conversion was asked for, checked before anything is read; and what is said of it afterwards.
#pragma once

#include <optional>
#include <string>

#include "mlxe/convert.h"
#include "tensor/dtype.h"
#include "tensor/quantization.h"

namespace mlxe {

struct ConversionRequest {
  std::optional<DType> dtype;                ///< unset: the family decides
  std::optional<QuantizationFormat> format;  ///< of all layers, or of those that a recipe or a budget leaves alike
};

/// \throws Error{kInvalidInput} for options that contradict each other or that MLX has no format for
[[nodiscard]] ConversionRequest checked_request(const ConvertOptions& options);

/// The content of quantization_report.json.
/// \param source  the model's name
[[nodiscard]] std::string report_text(const ConversionReport& report, const std::string& source);

}  // namespace mlxe
