// Weights of the checkpoint as arrays of libmlx.
#include "backend/mlx/mlx_weights.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "tensor/quantization.h"

namespace mlxe::mlx_backend {
namespace {

void check_shape(const char* what, const HostTensor& tensor, const Shape& wanted) {
  if (tensor.shape != wanted) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has shape {}, wanted {}", what, to_string(tensor.shape), to_string(wanted)));
  }
}

void check_matrix(const char* what, const HostTensor& tensor) {
  if (tensor.shape.size() != 2) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} has shape {}, wanted two dimensions", what, to_string(tensor.shape)));
  }
}

/// Copied, because a file may put a tensor at an address that its type does not allow.
template <class Element>
mx::array copy_elements(const HostTensor& tensor) {
  std::vector<Element> elements(num_elements(tensor.shape));
  std::memcpy(elements.data(), tensor.data, elements.size() * sizeof(Element));
  return mx::array(elements.data(), mx::Shape(tensor.shape.begin(), tensor.shape.end()));
}

/// Scales or biases in their own type: libmlx widens them where it uses them.
mx::array to_scales(const HostTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kFloat32: return copy_elements<float>(tensor);
    case DType::kFloat16: return copy_elements<mx::float16_t>(tensor);
    case DType::kBFloat16: return copy_elements<mx::bfloat16_t>(tensor);
    default: return copy_elements<std::uint8_t>(tensor);
  }
}

MlxQuantized to_quantized(const HostTensor& tensor) {
  const Quantization& quantization = *tensor.quantization;
  HostTensor words = tensor;
  words.shape.back() = static_cast<int>(row_words(quantization.format, tensor.shape.back()));
  return {.format = quantization.format,
          .words = copy_elements<std::uint32_t>(words),
          .scales = to_scales(quantization.scales),
          .biases = quantization.biases ? std::optional(to_scales(*quantization.biases)) : std::nullopt};
}

/// All parts as they are, those of one format joined; nothing if one is not quantised.
std::vector<MlxQuantized> keep_quantized(std::span<const LinearPart> parts, mx::Stream stream) {
  std::vector<MlxQuantized> kept;
  for (const LinearPart& part : parts) {
    if (part.weight.quantization == nullptr) {
      return {};
    }
    MlxQuantized next = to_quantized(part.weight);
    if (kept.empty() || kept.back().format != next.format || kept.back().scales.dtype() != next.scales.dtype()) {
      kept.push_back(std::move(next));
      continue;
    }
    const auto append = [&](mx::array& to, const mx::array& more) { to = mx::concatenate({to, more}, 0, stream); };
    append(kept.back().words, next.words);
    append(kept.back().scales, next.scales);
    if (next.biases) {
      append(*kept.back().biases, *next.biases);
    }
  }
  for (MlxQuantized& quantized : kept) {
    mx::eval(quantized.words, quantized.scales);
    if (quantized.biases) {
      quantized.biases->eval();
    }
  }
  return kept;
}

mx::array to_array(const HostTensor& tensor, mx::Stream stream) {
  if (tensor.quantization != nullptr) {
    std::vector<float> elements(num_elements(tensor.shape));
    dequantize(tensor, 0, elements.size() / static_cast<std::size_t>(tensor.shape.back()), elements.data());
    return mx::array(elements.data(), mx::Shape(tensor.shape.begin(), tensor.shape.end()));
  }
  switch (tensor.dtype) {
    case DType::kFloat32: return copy_elements<float>(tensor);
    case DType::kFloat16: return mx::astype(copy_elements<mx::float16_t>(tensor), mx::float32, stream);
    case DType::kBFloat16: return mx::astype(copy_elements<mx::bfloat16_t>(tensor), mx::float32, stream);
    default:
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("weight has dtype {}, wanted float32, float16 or bfloat16", to_string(tensor.dtype)));
  }
}

bool has_all_data(const HostTensor& weight, const std::optional<HostTensor>& bias) {
  return weight.has_data() && (!bias || bias->has_data());
}

}  // namespace

mx::array product(const mx::array& x, const MlxLinear& linear, mx::Stream stream) {
  if (linear.weight) {
    return linear.bias ? mx::addmm(*linear.bias, x, *linear.weight, 1.0F, 1.0F, stream)
                       : mx::matmul(x, *linear.weight, stream);
  }
  std::vector<mx::array> products;
  for (const MlxQuantized& part : linear.quantized) {
    products.push_back(mx::quantized_matmul(x, part.words, part.scales, part.biases, /*transpose=*/true,
                                            part.format.group_size, part.format.bits,
                                            std::string(to_string(part.format.mode)), stream));
  }
  const mx::array y = products.size() == 1 ? products[0] : mx::concatenate(std::move(products), 1, stream);
  return linear.bias ? mx::add(y, *linear.bias, stream) : y;
}

mx::array look_up(const MlxTable& table, const mx::array& ids, mx::Stream stream) {
  if (table.weight) {
    return mx::take(*table.weight, ids, 0, stream);
  }
  const MlxQuantized& codes = *table.quantized;
  // Widened first, as quantized_matmul() does for float32 activations; dequantize() alone rounds to the scales' type.
  const auto side = [&](const mx::array& scales) {
    const mx::array rows = mx::take(scales, ids, 0, stream);
    return codes.biases ? mx::astype(rows, mx::float32, stream) : rows;
  };
  return mx::dequantize(mx::take(codes.words, ids, 0, stream), side(codes.scales),
                        codes.biases ? std::optional(side(*codes.biases)) : std::nullopt, codes.format.group_size,
                        codes.format.bits, std::string(to_string(codes.format.mode)), std::nullopt, mx::float32,
                        stream);
}

LinearWeight make_linear(std::span<const LinearPart> parts, mx::Stream stream) {
  if (parts.empty()) {
    throw Error(ErrorCode::kInvalidInput, "linear weight has no parts");
  }
  check_matrix("linear weight", parts[0].weight);
  LinearWeight linear{.in_features = parts[0].weight.shape[1], .out_features = 0, .storage = nullptr};
  bool complete = true;
  bool has_bias = false;
  for (const LinearPart& part : parts) {
    check_matrix("linear weight", part.weight);
    const int out_features = part.weight.shape[0];
    check_shape("linear weight", part.weight, {out_features, linear.in_features});
    if (part.bias) {
      check_shape("linear bias", *part.bias, {out_features});
    }
    linear.out_features += out_features;
    complete = complete && has_all_data(part.weight, part.bias);
    has_bias = has_bias || part.bias.has_value();
  }
  if (!complete) {
    return linear;
  }
  auto storage = std::make_shared<MlxLinear>();
  storage->quantized = keep_quantized(parts, stream);
  std::vector<mx::array> weights;
  std::vector<mx::array> biases;
  for (const LinearPart& part : parts) {
    if (storage->quantized.empty()) {
      weights.push_back(to_array(part.weight, stream));
    }
    if (has_bias) {
      biases.push_back(part.bias ? to_array(*part.bias, stream)
                                 : mx::zeros({part.weight.shape[0]}, mx::float32, stream));
    }
  }
  if (has_bias) {
    storage->bias = mx::concatenate(std::move(biases), 0, stream);
    storage->bias->eval();
  }
  if (!weights.empty()) {
    storage->weight = mx::transpose(mx::concatenate(std::move(weights), 0, stream), stream);
    storage->weight->eval();
  }
  linear.storage = std::move(storage);
  return linear;
}

EmbeddingTable make_table(const HostTensor& weight, mx::Stream stream) {
  check_matrix("embedding table", weight);
  EmbeddingTable table{.rows = weight.shape[0], .columns = weight.shape[1], .storage = nullptr};
  if (weight.has_data()) {
    auto storage = std::make_shared<MlxTable>();
    if (weight.quantization != nullptr) {
      storage->quantized = to_quantized(weight);
    } else {
      storage->weight = to_array(weight, stream);
      storage->weight->eval();
    }
    table.storage = std::move(storage);
  }
  return table;
}

NormWeight make_norm(const HostTensor& weight, const std::optional<HostTensor>& bias, float scale_offset,
                     mx::Stream stream) {
  const int size = static_cast<int>(num_elements(weight.shape));
  check_shape("norm weight", weight, {size});
  if (bias) {
    check_shape("norm bias", *bias, {size});
  }
  NormWeight norm{.size = size, .storage = nullptr};
  if (has_all_data(weight, bias)) {
    mx::array scale = mx::add(to_array(weight, stream), mx::array(scale_offset), stream);
    scale.eval();
    std::optional<mx::array> shift;
    if (bias) {
      shift = to_array(*bias, stream);
      shift->eval();
    }
    norm.storage = std::make_shared<MlxNorm>(std::move(scale), std::move(shift));
  }
  return norm;
}

ConvWeight make_conv(const HostTensor& weight, const std::optional<HostTensor>& bias, mx::Stream stream) {
  const Shape& shape = weight.shape;
  if (shape.size() != 2 && (shape.size() != 3 || shape[1] != 1)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("convolution weight has shape {}, wanted [channels, 1, taps]", to_string(shape)));
  }
  ConvWeight conv{.channels = shape[0], .taps = shape.back(), .storage = nullptr};
  if (bias) {
    check_shape("convolution bias", *bias, {conv.channels});
  }
  if (has_all_data(weight, bias)) {
    mx::array taps = mx::transpose(mx::reshape(to_array(weight, stream), {conv.channels, conv.taps}, stream), stream);
    taps.eval();
    std::optional<mx::array> shift;
    if (bias) {
      shift = to_array(*bias, stream);
      shift->eval();
    }
    conv.storage = std::make_shared<MlxConv>(std::move(taps), std::move(shift));
  }
  return conv;
}

}  // namespace mlxe::mlx_backend
