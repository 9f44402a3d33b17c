// The rules between the options of convert_model(), and its report as JSON.
#include "engine/conversion_request.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/utf8.h"
#include "convert/recipes.h"

namespace mlxe {
namespace {

std::optional<DType> dtype_of(const std::string& name) {
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16, DType::kFloat32}) {
    if (name == to_string(dtype)) {
      return dtype;
    }
  }
  return std::nullopt;
}

QuantizationFormat requested_format(const ConvertOptions& options) {
  const std::optional<QuantizationMode> mode = quantization_mode(options.q_mode);
  if (!mode) {
    // The seed's words and order.
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("Unsupported quantization mode '{}'. Supported modes are: affine, "
                            "mxfp4, nvfp4, mxfp8",
                            printable(options.q_mode, 40)));
  }
  QuantizationFormat format = default_format(*mode);
  format.bits = options.q_bits.value_or(0) != 0 ? *options.q_bits : format.bits;
  format.group_size = options.q_group_size.value_or(0) != 0 ? *options.q_group_size : format.group_size;
  if (!is_legal(format) || format.bits == 1) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} is no format of MLX, wanted {}", to_string(format), quantization_choices()));
  }
  return format;
}

void check_mixed(const ConvertOptions& options, const QuantizationFormat& format) {
  if (options.recipe && options.error_budget) {
    throw Error(ErrorCode::kInvalidInput, "a recipe and an error budget both choose the bits, wanted one of them");
  }
  const char* chooser = options.recipe ? "a recipe" : "an error budget";
  if (format.mode != QuantizationMode::kAffine) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} chooses the bits of the mode affine, not of {}", chooser, to_string(format.mode)));
  }
  if (options.q_bits.value_or(0) != 0) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} chooses the bits, so none can be given", chooser));
  }
  const std::vector<std::string> names = recipe_names();
  if (options.recipe && std::ranges::find(names, *options.recipe) == names.end()) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("there is no recipe '{}', wanted one of: {}",
                                                      printable(*options.recipe, 40), fmt::join(names, ", ")));
  }
  if (options.error_budget && !(*options.error_budget > 0 && *options.error_budget < 1)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the error budget is {}, wanted a cosine above 0 and below 1", *options.error_budget));
  }
}

}  // namespace

ConversionRequest checked_request(const ConvertOptions& options) {
  if (options.quantize && options.dequantize) {
    throw Error(ErrorCode::kInvalidInput, "Choose either quantize or dequantize, not both.");
  }
  ConversionRequest request;
  const QuantizationFormat format = requested_format(options);
  if (options.quantize) {
    request.format = format;
  }
  if (options.recipe || options.error_budget) {
    if (!options.quantize) {
      throw Error(ErrorCode::kInvalidInput, "a recipe and an error budget are for quantising, which was not asked for");
    }
    check_mixed(options, format);
  }
  if (options.dtype) {
    request.dtype = dtype_of(*options.dtype);
    if (!request.dtype) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("dtype is '{}', wanted float16, bfloat16 or float32", printable(*options.dtype, 40)));
    }
  }
  return request;
}

std::string quantization_choices() {
  return "affine of 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128; mxfp4 of 4 bits in groups of 32; mxfp8 of 8 "
         "bits "
         "in groups of 32; nvfp4 of 4 bits in groups of 16";
}

std::string report_text(const ConversionReport& report, const std::string& source) {
  Json layers = Json::array();
  for (const QuantizedLayer& layer : report.layers) {
    layers.push_back({{"path", layer.path},
                      {"bits", layer.bits},
                      {"group_size", layer.group_size},
                      {"mode", layer.mode},
                      {"parameters", layer.num_parameters},
                      {"relative_error", layer.relative_error},
                      {"largest_error", layer.largest_error}});
  }
  Json json = {{"source", source},
               {"dtype", report.dtype},
               {"source_bytes", report.source_bytes},
               {"bytes", report.bytes},
               {"bits_per_weight", report.bits_per_weight},
               {"layers", layers},
               {"skipped", report.skipped}};
  if (report.min_cosine) {
    json["end_to_end"] = {
        {"texts", report.num_texts}, {"min_cosine", *report.min_cosine}, {"mean_cosine", *report.mean_cosine}};
  }
  return json.dump(2) + "\n";
}

}  // namespace mlxe
