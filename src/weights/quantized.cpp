// Reading MLX's quantisation settings, and the rules that a quantised layer's tensors keep.
#include "weights/quantized.h"

#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr int kLargest = 1 << 20;  // of a number in a format; the legal ones are far below

QuantizationFormat parse_format(const JsonFields& fields) {
  const std::string name = fields.text("mode", "affine");
  const std::optional<QuantizationMode> mode = quantization_mode(name);
  if (!mode) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: 'mode' is '{}', wanted one of: affine, mxfp4, mxfp8, nvfp4",
                                                      fields.what(), printable(name, 40)));
  }
  // Converters write 0 or null where the mode decides.
  QuantizationFormat format = default_format(*mode);
  if (const int bits = fields.integer("bits", 0, kLargest, 0); bits != 0) {
    format.bits = bits;
  }
  if (const int group_size = fields.integer("group_size", 0, kLargest, 0); group_size != 0) {
    format.group_size = group_size;
  }
  if (!is_legal(format)) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: {} is no format of MLX, wanted {}", fields.what(),
                                                      to_string(format), legal_formats()));
  }
  return format;
}

/// What the method of another library means where its weights come in MLX's packing; nothing where they never do.
std::optional<QuantizationFormat> format_of_method(const std::string& method) {
  // mlx-community keeps the word in models whose tensors it packed anew.
  if (method == "compressed-tensors") {
    return QuantizationFormat{QuantizationMode::kAffine, 4, 32};
  }
  const std::optional<QuantizationMode> mode = quantization_mode(method);
  return mode && *mode != QuantizationMode::kAffine ? std::optional(default_format(*mode)) : std::nullopt;
}

std::string shown_dtype(const StoredTensor& stored) {
  return stored.supported ? std::string(to_string(stored.tensor.dtype)) : stored.dtype;
}

/// Notes what is wrong with scales or biases.
bool check_side(const char* name, const StoredTensor& stored, const QuantizationFormat& format, const Shape& shape,
                std::vector<QuantizedMisfit>& misfits) {
  Shape wanted = shape;
  wanted.back() /= format.group_size;
  const std::size_t before = misfits.size();
  if (stored.tensor.shape != wanted) {
    misfits.push_back(
        {name, fmt::format("has shape {}, wanted {}", to_string(stored.tensor.shape), to_string(wanted))});
  }
  const bool affine = format.mode == QuantizationMode::kAffine;
  const bool fits = stored.supported && (affine ? is_float(stored.tensor.dtype) : stored.tensor.dtype == DType::kUInt8);
  if (!fits) {
    misfits.push_back({name, fmt::format("has dtype {}, wanted {}", shown_dtype(stored),
                                         affine ? "float32, float16 or bfloat16" : "uint8")});
  }
  return misfits.size() == before;
}

}  // namespace

QuantizationConfig QuantizationConfig::parse(const JsonFields& config) {
  QuantizationConfig result;
  for (const char* key : {"quantization", "quantization_config"}) {
    if (!config.has(key)) {
      continue;
    }
    const std::string what = fmt::format("{}: '{}'", config.what(), key);
    const JsonFields fields(config.at(key), what);
    if (const std::string method = fields.text("quant_method", ""); !method.empty()) {
      result.format_ = format_of_method(method);
      return result;
    }
    result.format_ = parse_format(fields);
    for (const auto& [path, value] : fields.json().items()) {
      if (value.is_object()) {
        result.layers_[path] = parse_format(JsonFields(value, fmt::format("{}: '{}'", what, printable(path, 120))));
      } else if (value == false) {
        result.layers_[path] = std::nullopt;
      }
    }
    return result;
  }
  if (config.has("text_config")) {
    return parse(JsonFields(config.at("text_config"), fmt::format("{}: 'text_config'", config.what())));
  }
  return result;
}

std::optional<QuantizationFormat> QuantizationConfig::format_of(std::string_view path) const {
  const auto layer = layers_.find(path);
  return layer == layers_.end() ? format_ : layer->second;
}

std::optional<Shape> unpacked_shape(const Shape& packed, const QuantizationFormat& format) {
  if (packed.empty() || packed.back() > (1 << 24) || packed.back() * 32 % format.bits != 0) {
    return std::nullopt;
  }
  Shape shape = packed;
  shape.back() = packed.back() * 32 / format.bits;
  return shape.back() % format.group_size == 0 ? std::optional(std::move(shape)) : std::nullopt;
}

std::optional<HostTensor> assemble(const QuantizedParts& parts, const QuantizationFormat& format, const Shape& shape,
                                   std::vector<QuantizedMisfit>& misfits) {
  const StoredTensor& weight = parts.weight;
  if (shape.empty() || shape.back() % format.group_size != 0) {
    misfits.push_back({"weight", fmt::format("is {}, wanted {}, whose last dimension is no multiple of the group",
                                             to_string(format), to_string(shape))});
    return std::nullopt;
  }
  bool fits = true;
  Shape packed = shape;
  packed.back() = static_cast<int>(row_words(format, shape.back()));
  if (weight.tensor.shape != packed) {
    misfits.push_back({"weight", fmt::format("has shape {}, wanted {} ({} of {})", to_string(weight.tensor.shape),
                                             to_string(packed), to_string(shape), to_string(format))});
    fits = false;
  }
  if (!weight.supported || weight.tensor.dtype != DType::kUInt32) {
    misfits.push_back(
        {"weight", fmt::format("has scales and dtype {}, wanted uint32 ({})", shown_dtype(weight), to_string(format))});
    fits = false;
  }
  auto quantization = std::make_shared<Quantization>();
  quantization->format = format;
  if (!parts.scales) {
    misfits.push_back({"scales", fmt::format("missing for {}", to_string(format))});
    fits = false;
  } else if (check_side("scales", *parts.scales, format, shape, misfits)) {
    quantization->scales = parts.scales->tensor;
  } else {
    fits = false;
  }
  if (format.mode != QuantizationMode::kAffine) {
    if (parts.biases) {
      misfits.push_back({"biases", fmt::format("unexpected for {}, which has none", to_string(format))});
      fits = false;
    }
  } else if (!parts.biases) {
    misfits.push_back({"biases", fmt::format("missing for {}", to_string(format))});
    fits = false;
  } else if (check_side("biases", *parts.biases, format, shape, misfits)) {
    quantization->biases = parts.biases->tensor;
    if (fits && parts.biases->tensor.dtype != parts.scales->tensor.dtype) {
      misfits.push_back({"biases", fmt::format("has dtype {}, the scales have {}", shown_dtype(*parts.biases),
                                               shown_dtype(*parts.scales))});
      fits = false;
    }
  } else {
    fits = false;
  }
  if (!fits) {
    return std::nullopt;
  }
  HostTensor tensor = weight.tensor;
  tensor.shape = shape;
  tensor.quantization = std::move(quantization);
  return tensor;
}

HostTensor expand(const HostTensor& weight) {
  auto values = std::make_shared<std::vector<float>>(num_elements(weight.shape));
  const auto size = static_cast<std::size_t>(weight.shape.back());
  dequantize(weight, 0, size > 0 ? values->size() / size : 0, values->data());
  release_pages(weight);
  HostTensor wide{.dtype = DType::kFloat32, .shape = weight.shape, .data = nullptr, .owner = values};
  wide.data = reinterpret_cast<const std::byte*>(values->data());
  return wide;
}

}  // namespace mlxe
