// Reading a checkpoint's names, ranks and types.
#include "convert/plan.h"

#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr std::size_t kMaxNameBytes = 120;

std::string_view word_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "F32";
    case DType::kFloat16: return "F16";
    case DType::kBFloat16: return "BF16";
    case DType::kInt64: return "I64";
    case DType::kInt32: return "I32";
    case DType::kUInt32: return "U32";
    case DType::kUInt8: return "U8";
  }
  return "?";
}

bool is_router(std::string_view path) {
  return path.ends_with("router") || path.find("router.") != std::string_view::npos;
}

/// X, if `name` is X.scales or X.biases and X.weight is packed.
bool is_side(std::string_view name, const std::map<std::string, StoredTensor>& checkpoint) {
  for (const std::string_view side : {".scales", ".biases"}) {
    if (name.ends_with(side)) {
      const std::string path(name.substr(0, name.size() - side.size()));
      return checkpoint.contains(path + ".weight") && checkpoint.contains(path + ".scales");
    }
  }
  return false;
}

/// Floating-point numbers that this build has no type for.
bool is_other_float(const StoredTensor& stored) {
  return !stored.supported && (stored.dtype == "F64" || stored.dtype.starts_with("F8") ||
                               stored.dtype.starts_with("F6") || stored.dtype == "F4");
}

/// The tensor's data, also of a type that is only ever copied.
std::span<const std::byte> bytes_of(const StoredTensor& stored) {
  if (stored.tensor.data == nullptr) {
    return {};
  }
  std::size_t element = stored.supported ? size_bytes(stored.tensor.dtype) : 1;  // BOOL, I8, 8-bit floats
  if (!stored.supported && stored.dtype.ends_with("16")) {
    element = 2;
  } else if (!stored.supported && stored.dtype.ends_with("64")) {
    element = 8;
  }
  return {stored.tensor.data, num_elements(stored.tensor.shape) * element};
}

class Planner {
 public:
  Planner(const std::map<std::string, StoredTensor>& checkpoint, const QuantizationConfig& quantization,
          const PlanOptions& options)
      : checkpoint_(checkpoint), quantization_(quantization), options_(options) {}

  ConversionPlan plan() {
    for (const auto& [name, stored] : checkpoint_) {
      if (is_side(name, checkpoint_)) {
        if (!options_.dequantize) {
          add(name, stored, TensorAction::kCopy);
        }
        continue;
      }
      plan_tensor(name, stored);
    }
    if (options_.dequantize && !any_packed_) {
      throw Error(ErrorCode::kInvalidInput, "the model is not quantised, so there is nothing to dequantise");
    }
    return std::move(result_);
  }

 private:
  PlannedTensor& add(const std::string& name, const StoredTensor& stored, TensorAction action) {
    const std::span<const std::byte> bytes = bytes_of(stored);
    result_.tensors.push_back(
        {.name = name, .stored = stored, .bytes = bytes, .action = action, .source_bytes = bytes.size()});
    return result_.tensors.back();
  }

  void plan_tensor(const std::string& name, const StoredTensor& stored) {
    if (stored.decode) {
      any_packed_ = true;
      if (!options_.dequantize) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("'{}' is quantised by another library ({}); expand the model first (--dequantize), or "
                                "begin with the original",
                                printable(name, kMaxNameBytes), stored.dtype));
      }
      PlannedTensor& planned = add(name, stored, TensorAction::kCast);
      planned.dtype = options_.dtype.value_or(DType::kFloat16);
      planned.source_bytes = stored.packed_bytes;
      return;
    }
    if (name.ends_with(kWeight) && checkpoint_.contains(side(name, "scales"))) {
      any_packed_ = true;
      plan_packed(name, stored);
      return;
    }
    if (is_other_float(stored)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("tensor '{}' has dtype {}, wanted F32, F16 or BF16 to convert from",
                              printable(name, kMaxNameBytes), stored.dtype));
    }
    if (!stored.supported || !is_float(stored.tensor.dtype)) {
      add(name, stored, TensorAction::kCopy);
      return;
    }
    const DType dtype = options_.dtype.value_or(stored.tensor.dtype);
    if (const std::optional<QuantizationFormat> format = format_of(name, stored)) {
      PlannedTensor& planned = add(name, stored, TensorAction::kQuantize);
      planned.dtype = dtype;
      planned.format = *format;
      return;
    }
    add(name, stored, dtype == stored.tensor.dtype ? TensorAction::kCopy : TensorAction::kCast).dtype = dtype;
  }

  std::optional<QuantizationFormat> format_of(const std::string& name, const StoredTensor& stored) {
    const std::optional<std::string_view> path = layer_path(name, stored);
    const std::optional<QuantizationFormat> format =
        path && options_.quantize ? options_.quantize(*path) : std::nullopt;
    if (!format) {
      return std::nullopt;
    }
    const int size = stored.tensor.shape.back();
    if (size % format->group_size != 0 || num_elements(stored.tensor.shape) == 0) {
      result_.skipped.emplace_back(*path);
      result_.messages.push_back(
          fmt::format("Skipping quantization of {}: Last dimension {} is not divisible by group size {}.",
                      printable(*path, kMaxNameBytes), size, format->group_size));
      return std::nullopt;
    }
    return format;
  }

  static std::string side(std::string_view name, std::string_view ending) {
    return fmt::format("{}.{}", name.substr(0, name.size() - kWeight.size()), ending);
  }

  std::optional<StoredTensor> find(const std::string& name) const {
    const auto found = checkpoint_.find(name);
    return found == checkpoint_.end() ? std::nullopt : std::optional(found->second);
  }

  void plan_packed(const std::string& name, const StoredTensor& stored) {
    if (options_.quantize) {
      throw Error(ErrorCode::kInvalidInput,
                  "the model is quantised already; dequantise it first (--dequantize), or begin with the original");
    }
    if (!options_.dequantize) {
      add(name, stored, TensorAction::kCopy);
      return;
    }
    const std::string_view path = std::string_view(name).substr(0, name.size() - kWeight.size());
    const std::optional<QuantizationFormat> format = quantization_.format_of(path);
    const std::optional<Shape> shape = format ? unpacked_shape(stored.tensor.shape, *format) : std::nullopt;
    if (!shape) {
      throw Error(
          ErrorCode::kCorruptModel,
          fmt::format("weight '{}' is packed with shape {}, which is not what 'quantization' of config.json says",
                      printable(name, kMaxNameBytes), to_string(stored.tensor.shape)));
    }
    std::vector<QuantizedMisfit> misfits;
    const QuantizedParts parts{
        .weight = stored, .scales = find(side(name, "scales")), .biases = find(side(name, "biases"))};
    const std::optional<HostTensor> packed = assemble(parts, *format, *shape, misfits);
    if (!packed) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{} of '{}' {}", misfits.front().tensor,
                                                        printable(path, kMaxNameBytes), misfits.front().reason));
    }
    PlannedTensor& planned = add(name, stored, TensorAction::kDequantize);
    planned.packed = *packed;
    planned.format = *format;
    const bool affine = format->mode == QuantizationMode::kAffine;
    // What libmlx's dequantize() gives by itself.
    planned.dtype = options_.dtype.value_or(affine ? parts.scales->tensor.dtype : DType::kBFloat16);
    planned.source_bytes += bytes_of(*parts.scales).size() + (parts.biases ? bytes_of(*parts.biases).size() : 0);
  }

  const std::map<std::string, StoredTensor>& checkpoint_;
  const QuantizationConfig& quantization_;
  const PlanOptions& options_;
  ConversionPlan result_;
  bool any_packed_ = false;
};

std::vector<std::size_t> sizes_of(const Shape& shape) {
  return {shape.begin(), shape.end()};
}

}  // namespace

bool activations_overflow_float16(std::string_view model_type) {
  return model_type == "gemma3_text" || model_type == "gemma3" || model_type == "gemma3n_text";
}

std::optional<std::string_view> layer_path(std::string_view name, const StoredTensor& stored) {
  if (!name.ends_with(kWeight) || stored.tensor.shape.size() != 2 || !stored.supported ||
      !is_float(stored.tensor.dtype)) {
    return std::nullopt;
  }
  const std::string_view path = name.substr(0, name.size() - kWeight.size());
  return is_router(path) ? std::nullopt : std::optional(path);
}

ConversionPlan plan_conversion(const std::map<std::string, StoredTensor>& checkpoint,
                               const QuantizationConfig& quantization, const PlanOptions& options) {
  return Planner(checkpoint, quantization, options).plan();
}

std::vector<OutputTensor> outputs_of(const PlannedTensor& planned) {
  const Shape& shape = planned.action == TensorAction::kDequantize ? planned.packed.shape : planned.stored.tensor.shape;
  if (planned.action == TensorAction::kCopy) {
    return {{planned.name, planned.stored.dtype, sizes_of(shape), planned.bytes.size()}};
  }
  if (planned.action != TensorAction::kQuantize) {
    return {{planned.name, std::string(word_of(planned.dtype)), sizes_of(shape),
             num_elements(shape) * size_bytes(planned.dtype)}};
  }
  const bool affine = planned.format.mode == QuantizationMode::kAffine;
  const DType side_dtype = affine ? planned.dtype : DType::kUInt8;
  std::vector<std::size_t> codes = sizes_of(shape);
  codes.back() = row_words(planned.format, shape.back());
  std::vector<std::size_t> sides = sizes_of(shape);
  sides.back() /= static_cast<std::size_t>(planned.format.group_size);
  const std::size_t groups = num_elements(shape) / static_cast<std::size_t>(planned.format.group_size);
  const std::string path = planned.name.substr(0, planned.name.size() - kWeight.size());
  std::vector<OutputTensor> outputs = {
      {planned.name, "U32", codes, num_elements(shape) * static_cast<std::size_t>(planned.format.bits) / 8},
      {path + ".scales", std::string(word_of(side_dtype)), sides, groups * size_bytes(side_dtype)}};
  if (affine) {
    outputs.push_back(outputs.back());
    outputs.back().name = path + ".biases";
  }
  return outputs;
}

std::vector<std::size_t> assign_shards(const std::vector<PlannedTensor>& tensors, std::size_t max_bytes) {
  std::vector<std::size_t> shards;
  std::size_t shard = 0;
  std::size_t filled = 0;
  for (const PlannedTensor& planned : tensors) {
    std::size_t bytes = 0;
    for (const OutputTensor& output : outputs_of(planned)) {
      bytes += output.bytes;
    }
    if (filled > 0 && filled + bytes > max_bytes) {
      ++shard;
      filled = 0;
    }
    filled += bytes;
    shards.push_back(shard);
  }
  return shards;
}

}  // namespace mlxe
