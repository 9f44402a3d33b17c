// Decides whether integer codes stay packed, and expands those that cannot.
#include "weights/integer_weight.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "base/half.h"

namespace mlxe {
namespace {

constexpr std::array kKernelGroups = {128, 64, 32};  // larger ones have fewer scales

/// The group of a kernel that a group of the file is a whole number of.
std::optional<int> kernel_group(const GroupedIntegers& weight) {
  const int columns = weight.shape[1];
  if (!weight.group_of.empty() || columns % weight.num_groups != 0) {
    return std::nullopt;
  }
  const int size = columns / weight.num_groups;
  const auto* const group = std::ranges::find_if(kKernelGroups, [&](int kernel) { return size % kernel == 0; });
  return group == kKernelGroups.end() || !is_legal({QuantizationMode::kAffine, weight.bits, *group})
             ? std::nullopt
             : std::optional(*group);
}

/// Whether code * scale, zero * scale and their difference all fit float32's 24 bits: codes and zeros have up to `bits`
/// bits, and a zero of 2^bits only moves the exponent.
bool products_are_exact(const std::vector<float>& scales, int bits) {
  return std::ranges::all_of(scales, [&](float scale) {
    const auto pattern = std::bit_cast<std::uint32_t>(scale);
    const std::uint32_t exponent = (pattern >> 23U) & 0xFFU;
    // Far from both ends, where products would lose bits or become infinite.
    return scale == 0.0F || (exponent > 32 && exponent < 240 && std::countr_zero(pattern | 1U << 23U) >= bits);
  });
}

/// The same numbers in 16 bits each, if all of them have such a word.
template <typename Narrow, typename Widen>
std::optional<std::vector<std::uint32_t>> narrowed(const std::vector<float>& values, const Narrow& narrow,
                                                   const Widen& widen) {
  std::vector<std::uint32_t> words((values.size() + 1) / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = narrow(values[i]);
    if (widen(half) != values[i]) {
      return std::nullopt;
    }
    words[i / 2] |= std::uint32_t{half} << (i % 2 * 16);
  }
  return words;
}

struct Sides {
  HostTensor scales;
  HostTensor biases;
};

Sides narrow_sides(const Shape& shape, std::vector<float> scales, std::vector<float> biases) {
  for (const DType dtype : {DType::kFloat16, DType::kBFloat16}) {
    const auto narrow = dtype == DType::kFloat16 ? float_to_float16 : float_to_bfloat16;
    const auto widen = dtype == DType::kFloat16 ? float16_to_float : bfloat16_to_float;
    auto narrow_scales = narrowed(scales, narrow, widen);
    auto narrow_biases = narrow_scales ? narrowed(biases, narrow, widen) : std::nullopt;
    if (narrow_biases) {
      return {owned_tensor(dtype, shape, *std::move(narrow_scales)),
              owned_tensor(dtype, shape, *std::move(narrow_biases))};
    }
  }
  return {owned_tensor(shape, std::move(scales)), owned_tensor(shape, std::move(biases))};
}

HostTensor expanded(const GroupedIntegers& weight) {
  const auto rows = static_cast<std::size_t>(weight.shape[0]);
  const auto columns = static_cast<std::size_t>(weight.shape[1]);
  const auto groups = static_cast<std::size_t>(weight.num_groups);
  const std::size_t row_bytes = (columns * static_cast<std::size_t>(weight.bits) + 31) / 32 * sizeof(std::uint32_t);
  std::vector<float> values(rows * columns);
  for (std::size_t row = 0; row < rows; ++row) {
    CodeStream codes(weight.codes.data + row * row_bytes, weight.bits);
    for (std::size_t column = 0; column < columns; ++column) {
      const std::size_t group =
          weight.group_of.empty() ? column / (columns / groups) : static_cast<std::size_t>(weight.group_of[column]);
      const int code = static_cast<int>(codes.next()) - weight.zeros[row * groups + group];
      values[row * columns + column] = static_cast<float>(code) * weight.scales[row * groups + group];
    }
  }
  release_pages(weight.codes);
  return owned_tensor(weight.shape, std::move(values));
}

}  // namespace

unsigned CodeStream::next() {
  if (available_ < bits_) {
    std::uint32_t word = 0;
    std::memcpy(&word, words_, sizeof(word));
    words_ += sizeof(word);
    stream_ |= std::uint64_t{word} << static_cast<unsigned>(available_);
    available_ += 32;
  }
  const auto code = static_cast<unsigned>(stream_ & ((std::uint64_t{1} << static_cast<unsigned>(bits_)) - 1));
  stream_ >>= static_cast<unsigned>(bits_);
  available_ -= bits_;
  return code;
}

HostTensor owned_tensor(DType dtype, Shape shape, std::vector<std::uint32_t> words) {
  const auto owner = std::make_shared<const std::vector<std::uint32_t>>(std::move(words));
  return {.dtype = dtype,
          .shape = std::move(shape),
          .data = reinterpret_cast<const std::byte*>(owner->data()),
          .owner = owner};
}

HostTensor owned_tensor(Shape shape, std::vector<float> values) {
  const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  return {.dtype = DType::kFloat32,
          .shape = std::move(shape),
          .data = reinterpret_cast<const std::byte*>(owner->data()),
          .owner = owner};
}

std::vector<float> floats_of(const HostTensor& tensor) {
  std::vector<float> values(num_elements(tensor.shape));
  widen_scales(QuantizationMode::kAffine, tensor.dtype, tensor.data, values.size(), values.data());
  return values;
}

HostTensor affine_tensor(Shape shape, const QuantizationFormat& format, HostTensor codes, std::vector<float> scales,
                         std::vector<float> biases) {
  Shape side_shape = shape;
  side_shape.back() /= format.group_size;
  auto [narrow_scales, narrow_biases] = narrow_sides(side_shape, std::move(scales), std::move(biases));
  codes.dtype = DType::kUInt32;
  codes.shape = std::move(shape);
  codes.quantization = std::make_shared<const Quantization>(
      Quantization{.format = format, .scales = std::move(narrow_scales), .biases = std::move(narrow_biases)});
  return codes;
}

HostTensor to_weight(const GroupedIntegers& weight) {
  const std::optional<int> group = kernel_group(weight);
  if (!group || !products_are_exact(weight.scales, weight.bits)) {
    return expanded(weight);
  }
  const std::size_t times = static_cast<std::size_t>(weight.shape[1] / weight.num_groups / *group);
  std::vector<float> scales;
  std::vector<float> biases;
  scales.reserve(weight.scales.size() * times);
  biases.reserve(weight.scales.size() * times);
  for (std::size_t i = 0; i < weight.scales.size(); ++i) {
    scales.insert(scales.end(), times, weight.scales[i]);
    biases.insert(biases.end(), times, static_cast<float>(-weight.zeros[i]) * weight.scales[i]);
  }
  return affine_tensor(weight.shape, {QuantizationMode::kAffine, weight.bits, *group}, weight.codes, std::move(scales),
                       std::move(biases));
}

}  // namespace mlxe
