// Integer, fp8 and fp4 layers as compressed-tensors writes them.
#include "weights/compressed_tensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/integer_weight.h"
#include "weights/packed_layer.h"
#include "weights/scale_grid.h"

namespace mlxe {
namespace {

constexpr int kMaxColumns = 1 << 24;
constexpr std::array<std::string_view, 3> kFloats = {"F16", "BF16", "F32"};

Shape block_of(const JsonFields& fields, const char* key) {
  const Json& value = fields.at(key);
  if (!value.is_array() || value.size() != 2 ||
      !std::ranges::all_of(value, [](const Json& size) { return size.is_number_unsigned(); }) ||
      !std::ranges::all_of(value, [](const Json& size) { return size > 0 && size < kMaxColumns; })) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: '{}' is {}, wanted two sizes of at least 1", fields.what(), key, value.dump()));
  }
  return {value[0].get<int>(), value[1].get<int>()};
}

/// `block_structure` of each group of layers.
std::vector<Shape> blocks_of_groups(const JsonFields& settings) {
  std::vector<Shape> blocks;
  if (!settings.has("config_groups")) {
    return blocks;
  }
  const JsonFields groups(settings.at("config_groups"), settings.what() + ": 'config_groups'");
  for (const auto& [name, value] : groups.json().items()) {
    const JsonFields group(value, fmt::format("{}: '{}'", groups.what(), printable(name, 40)));
    if (group.has("weights")) {
      const JsonFields weights(group.at("weights"), group.what() + ": 'weights'");
      if (weights.has("block_structure")) {
        blocks.push_back(block_of(weights, "block_structure"));
      }
    }
  }
  return blocks;
}

/// What activations are quantised with, which is not done here.
void drop_activation_scales(PackedLayer& layer) {
  for (const char* part : {"input_scale", "input_zero_point", "input_global_scale", "input_activation_scale",
                           "activation_scale", "output_scale", "output_zero_point", "weight_shape"}) {
    static_cast<void>(layer.take(part));
  }
}

/// A copy of the bytes with one bit of each turned over: signed codes become unsigned ones, 128 higher.
HostTensor raised_codes(const StoredTensor& codes) {
  const std::size_t count = num_elements(codes.tensor.shape);
  std::vector<std::uint32_t> words((count + 3) / 4);
  if (count > 0) {
    std::memcpy(words.data(), codes.tensor.data, count);
  }
  for (std::uint32_t& word : words) {
    word ^= 0x8080'8080U;
  }
  return owned_tensor(DType::kUInt32, {static_cast<int>(words.size())}, std::move(words));
}

struct Groups {
  int count = 1;
  std::vector<float> scales;  // [rows, count]
};

/// Scales of a row's groups, of a row or of the whole tensor.
Groups groups_of(const PackedLayer& layer, const StoredTensor& scale, const Shape& shape) {
  const Shape& found = scale.tensor.shape;
  std::vector<float> values = floats_of(scale.tensor);
  if (values.size() == 1) {
    values.resize(static_cast<std::size_t>(shape[0]), values[0]);
    return {1, std::move(values)};
  }
  if (found == Shape{shape[0]}) {
    return {1, std::move(values)};
  }
  if (found.size() != 2 || found[0] != shape[0] || found[1] < 1 || found[1] > shape[1]) {
    layer.refuse("weight_scale", fmt::format("has shape {}, wanted [{}, groups] for a weight of shape {}",
                                             to_string(found), shape[0], to_string(shape)));
  }
  return {found[1], std::move(values)};
}

StoredTensor need_scale(PackedLayer& layer) {
  std::optional<StoredTensor> scale = layer.take("weight_scale");
  if (!scale) {
    layer.refuse("weight_scale", "is missing, wanted for compressed-tensors");
  }
  if (std::ranges::find(kFloats, scale->dtype) == kFloats.end() || scale->tensor.shape.size() > 2) {
    layer.refuse("weight_scale", fmt::format("is {} of shape {}, wanted F16, BF16 or F32 of at most 2 dimensions",
                                             scale->dtype, to_string(scale->tensor.shape)));
  }
  return *std::move(scale);
}

/// The group of each column, if that differs from the order; nothing more than that is said about groups.
std::vector<int> order_of(PackedLayer& layer, int columns, int groups) {
  const std::optional<StoredTensor> order = layer.take_if_present("weight_g_idx", {"I32", "I64"}, 1);
  if (!order || order->tensor.shape[0] == 0) {
    if (columns % groups != 0) {
      layer.refuse("weight_scale", fmt::format("has {} groups, which do not divide {} columns", groups, columns));
    }
    return {};
  }
  layer.check_shape("weight_g_idx", *order, {columns});
  // The library writes -1 for layers that have none.
  std::int32_t first = 0;
  std::memcpy(&first, order->tensor.data, sizeof(first));
  if (first == -1) {
    return {};
  }
  std::vector<int> group_of =
      integers_of(*order, groups, [&](std::string_view text) { layer.refuse("weight_g_idx", text); });
  bool in_order = columns % groups == 0;
  for (int column = 0; in_order && column < columns; ++column) {
    in_order = group_of[static_cast<std::size_t>(column)] == column / (columns / groups);
  }
  return in_order ? std::vector<int>() : group_of;
}

std::string form_of(int bits, int columns, int groups) {
  const std::string group = groups == 1 ? "one scale a row" : fmt::format("groups of {}", columns / groups);
  return fmt::format("{}-bit compressed-tensors, {}", bits, group);
}

/// Codes of 1 to 8 bits in words, each raised by half its range; zero points likewise, packed along the rows.
void translate_packed(PackedLayer layer) {
  const StoredTensor codes = layer.need("weight_packed", {"I32"}, 2);
  const StoredTensor scale = need_scale(layer);
  const StoredTensor shape_tensor = layer.need("weight_shape", {"I64", "I32"}, 1);
  layer.check_shape("weight_shape", shape_tensor, {2});
  const Shape shape =
      integers_of(shape_tensor, kMaxColumns, [&](std::string_view text) { layer.refuse("weight_shape", text); });
  const int rows = shape[0];
  const int columns = shape[1];
  int bits = 0;
  for (const int candidate : {1, 2, 3, 4, 5, 6, 7, 8}) {
    const std::int64_t words = (std::int64_t{columns} * candidate + 31) / 32;
    if (codes.tensor.shape == Shape{rows, static_cast<int>(words)} && (bits == 0 || candidate == 4)) {
      bits = candidate;
    }
  }
  if (bits == 0) {
    layer.refuse("weight_packed", fmt::format("has shape {}, wanted {} rows of whole words for {} codes of 1 to 8 bits",
                                              to_string(codes.tensor.shape), rows, columns));
  }
  Groups groups = groups_of(layer, scale, shape);
  std::vector<int> group_of = order_of(layer, columns, groups.count);
  std::vector<int> zeros(groups.scales.size(), 1 << (bits - 1));
  if (const auto zero = layer.take_if_present("weight_zero_point", {"I32"}, 2)) {
    const int zero_words = static_cast<int>((std::int64_t{rows} * bits + 31) / 32);
    layer.check_shape("weight_zero_point", *zero, {zero_words, groups.count});
    const HostTensor turned = owned_tensor(DType::kUInt32, {groups.count, zero_words},
                                           transposed_words(zero->tensor.data, zero_words, groups.count));
    zeros = transposed(unpacked_codes(turned, groups.count, rows, bits, zero_words), groups.count, rows);
  }
  drop_activation_scales(layer);
  layer.put_weight(shape, form_of(bits, columns, groups.count), stored_bytes(codes) + stored_bytes(scale),
                   [=, count = groups.count, scales = std::move(groups.scales), zeros = std::move(zeros),
                    group_of = std::move(group_of)] {
                     return to_weight({.shape = shape,
                                       .bits = bits,
                                       .codes = codes.tensor,
                                       .num_groups = count,
                                       .scales = scales,
                                       .zeros = zeros,
                                       .group_of = group_of});
                   });
}

/// int8 codes, with zero points as they are.
void translate_int8(PackedLayer layer) {
  const StoredTensor codes = layer.need("weight", {"I8"}, 2);
  const StoredTensor scale = need_scale(layer);
  const Shape& shape = codes.tensor.shape;
  Groups groups = groups_of(layer, scale, shape);
  std::vector<int> group_of = order_of(layer, shape[1], groups.count);
  std::vector<int> zeros(groups.scales.size(), 128);
  if (const auto zero = layer.take("weight_zero_point")) {
    const std::size_t count = num_elements(zero->tensor.shape);
    if (zero->dtype != "I8" || (count != zeros.size() && count != 1)) {
      layer.refuse("weight_zero_point", fmt::format("is {} of shape {}, wanted I8 and one for each scale", zero->dtype,
                                                    to_string(zero->tensor.shape)));
    }
    for (std::size_t i = 0; i < zeros.size(); ++i) {
      zeros[i] += std::to_integer<int>(zero->tensor.data[count == 1 ? 0 : i] ^ std::byte{0x80}) - 128;
    }
  }
  drop_activation_scales(layer);
  const bool whole_words = shape[1] % 4 == 0;  // a row's codes then are a stream of words as they lie
  if (!whole_words) {
    layer.refuse("weight", fmt::format("has {} columns, wanted a multiple of 4", shape[1]));
  }
  layer.put_weight(shape, form_of(8, shape[1], groups.count), stored_bytes(codes) + stored_bytes(scale),
                   [=, count = groups.count, scales = std::move(groups.scales), zeros = std::move(zeros),
                    group_of = std::move(group_of)] {
                     HostTensor raised = raised_codes(codes);
                     release_pages(codes.tensor);
                     return to_weight({.shape = codes.tensor.shape,
                                       .bits = 8,
                                       .codes = std::move(raised),
                                       .num_groups = count,
                                       .scales = scales,
                                       .zeros = zeros,
                                       .group_of = group_of});
                   });
}

/// A layout that MLX has too: the same bytes under another name.
HostTensor as_mlx(const StoredTensor& codes, const StoredTensor& scales, const Shape& shape, QuantizationMode mode) {
  HostTensor weight = codes.tensor;
  weight.dtype = DType::kUInt32;
  weight.shape = shape;
  HostTensor side = scales.tensor;
  side.dtype = DType::kUInt8;
  weight.quantization = std::make_shared<const Quantization>(
      Quantization{.format = default_format(mode), .scales = std::move(side), .biases = {}});
  return weight;
}

/// Codes E4M3 under float scales, or under exponents in groups of 32 (mxfp8).
void translate_fp8_layer(PackedLayer layer, std::string_view scale_name, const std::vector<Shape>& blocks) {
  const StoredTensor codes = layer.need("weight", {"F8_E4M3"}, 2);
  const StoredTensor scale = *layer.take(scale_name);
  const Shape& shape = codes.tensor.shape;
  static_cast<void>(layer.take("weight_zero_point"));  // of floats it is always zero
  drop_activation_scales(layer);
  const std::size_t bytes = stored_bytes(codes) + stored_bytes(scale);
  if (scale.dtype == "U8" || scale.dtype == "F8_E8M0") {
    if (shape[1] % 32 != 0) {
      layer.refuse("weight", fmt::format("has {} columns, wanted a multiple of 32 (mxfp8)", shape[1]));
    }
    layer.check_shape(scale_name, scale, {shape[0], shape[1] / 32});
    layer.put_weight(shape, "mxfp8 of compressed-tensors", bytes,
                     [=] { return as_mlx(codes, scale, codes.tensor.shape, QuantizationMode::kMxfp8); });
    return;
  }
  if (std::ranges::find(kFloats, scale.dtype) == kFloats.end()) {
    layer.refuse(scale_name, fmt::format("has dtype {}, wanted F16, BF16 or F32", scale.dtype));
  }
  ScaleGrid grid = lay_scales(layer, scale_name, scale, shape, blocks);
  layer.put_weight(shape, "fp8 (E4M3)", bytes, [=, grid = std::move(grid)] {
    HostTensor weight = expand_fp8(codes.tensor, codes.tensor.shape, grid);
    return weight;
  });
}

/// Pairs of codes E2M1 under scales E4M3 in groups of 16 and one divisor (nvfp4), or under exponents in groups of 32.
void translate_fp4(PackedLayer layer) {
  const StoredTensor codes = layer.need("weight_packed", {"U8"}, 2);
  const StoredTensor scale = layer.need("weight_scale", {"F8_E4M3", "U8", "F8_E8M0"}, 2);
  if (codes.tensor.shape[1] > kMaxColumns) {
    layer.refuse("weight_packed",
                 fmt::format("has shape {}, more columns than a weight has", to_string(codes.tensor.shape)));
  }
  const Shape shape = {codes.tensor.shape[0], codes.tensor.shape[1] * 2};
  const bool nvfp4 = scale.dtype == "F8_E4M3";
  const int group = nvfp4 ? 16 : 32;
  if (shape[1] % group != 0) {
    layer.refuse("weight_packed", fmt::format("holds {} columns, wanted a multiple of {}", shape[1], group));
  }
  layer.check_shape("weight_scale", scale, {shape[0], shape[1] / group});
  const std::size_t bytes = stored_bytes(codes) + stored_bytes(scale);
  std::optional<StoredTensor> divisor = layer.take("weight_global_scale");
  drop_activation_scales(layer);
  if (!nvfp4) {
    layer.put_weight(shape, "mxfp4 of compressed-tensors", bytes,
                     [=] { return as_mlx(codes, scale, shape, QuantizationMode::kMxfp4); });
    return;
  }
  float value = 1.0F;
  if (divisor) {
    if (num_elements(divisor->tensor.shape) != 1 || divisor->dtype != "F32") {
      layer.refuse("weight_global_scale",
                   fmt::format("is {} of shape {}, wanted one F32", divisor->dtype, to_string(divisor->tensor.shape)));
    }
    value = floats_of(divisor->tensor)[0];
    if (!(value > 0.0F)) {
      layer.refuse("weight_global_scale", fmt::format("is {}, wanted a number above 0", value));
    }
  }
  if (value == 1.0F && shape[1] % 32 == 0) {
    layer.put_weight(shape, "nvfp4 of compressed-tensors", bytes,
                     [=] { return as_mlx(codes, scale, shape, QuantizationMode::kNvfp4); });
    return;
  }
  layer.put_weight(shape, "nvfp4 of compressed-tensors", bytes,
                   [=] { return expand_nvfp4(codes.tensor, scale.tensor, shape, value); });
}

void drop_cache_scales(Checkpoint& checkpoint) {
  std::erase_if(checkpoint, [](const auto& entry) {
    return std::ranges::any_of(std::array{".k_scale", ".v_scale", ".q_scale"},
                               [&](const char* ending) { return entry.first.ends_with(ending); });
  });
}

}  // namespace

void translate_compressed_tensors(const JsonFields& settings, Checkpoint& checkpoint) {
  const std::vector<Shape> blocks = blocks_of_groups(settings);
  for (const std::string& path : layers_with(checkpoint, ".weight_packed")) {
    PackedLayer layer(path, "compressed-tensors", checkpoint);
    if (checkpoint.at(path + ".weight_packed").dtype == "U8") {
      translate_fp4(std::move(layer));
    } else {
      translate_packed(std::move(layer));
    }
  }
  for (const std::string& path : layers_with(checkpoint, ".weight_scale")) {
    PackedLayer layer(path, "compressed-tensors", checkpoint);
    const auto weight = checkpoint.find(path + ".weight");
    if (weight != checkpoint.end() && weight->second.dtype == "I8") {
      translate_int8(std::move(layer));
    } else {
      translate_fp8_layer(std::move(layer), "weight_scale", blocks);
    }
  }
  drop_cache_scales(checkpoint);
}

void translate_fp8(const JsonFields& settings, Checkpoint& checkpoint) {
  const std::vector<Shape> blocks = settings.has("weight_block_size")
                                        ? std::vector<Shape>{block_of(settings, "weight_block_size")}
                                        : std::vector<Shape>();
  for (const char* part : {"weight_scale_inv", "weight_scale"}) {
    for (const std::string& path : layers_with(checkpoint, fmt::format(".{}", part))) {
      translate_fp8_layer(PackedLayer(path, "fp8", checkpoint), part, blocks);
    }
  }
  drop_cache_scales(checkpoint);
}

}  // namespace mlxe
