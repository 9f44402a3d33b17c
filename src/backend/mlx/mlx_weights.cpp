// Weights of the checkpoint as float32 arrays of libmlx.
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
  std::vector<mx::array> weights;
  std::vector<mx::array> biases;
  for (const LinearPart& part : parts) {
    weights.push_back(to_array(part.weight, stream));
    if (has_bias) {
      biases.push_back(part.bias ? to_array(*part.bias, stream)
                                 : mx::zeros({part.weight.shape[0]}, mx::float32, stream));
    }
  }
  mx::array weight = mx::transpose(mx::concatenate(std::move(weights), 0, stream), stream);
  std::optional<mx::array> bias;
  if (has_bias) {
    bias = mx::concatenate(std::move(biases), 0, stream);
    bias->eval();
  }
  weight.eval();
  linear.storage = std::make_shared<MlxLinear>(std::move(weight), std::move(bias));
  return linear;
}

EmbeddingTable make_table(const HostTensor& weight, mx::Stream stream) {
  check_matrix("embedding table", weight);
  EmbeddingTable table{.rows = weight.shape[0], .columns = weight.shape[1], .storage = nullptr};
  if (weight.has_data()) {
    mx::array values = to_array(weight, stream);
    values.eval();
    table.storage = std::make_shared<MlxTable>(std::move(values));
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
