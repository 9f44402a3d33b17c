// Groups of weights to codes: each step rounds where libmlx's rounds, so that the bits are the same.
#include "convert/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <fmt/format.h>

#include "convert/cast_kernels.h"
#include "convert/pack_codes.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr int kLargestGroup = 128;
constexpr std::size_t kLanes = 8;
constexpr float kMagic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to integers, ties to even, as rint() does

using cast_kernels::round_to;
using Codes = std::array<std::uint8_t, kLargestGroup>;
using Lanes = std::array<float, kLanes>;

struct Range {
  float smallest;
  float largest;
};

template <std::size_t kGroup>
MLXE_EVERYWHERE Range range_of(const float* w) {
  Lanes low;
  Lanes high;
  std::copy_n(w, kLanes, low.begin());
  std::copy_n(w, kLanes, high.begin());
  for (std::size_t i = kLanes; i < kGroup; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      low[lane] = w[i + lane] < low[lane] ? w[i + lane] : low[lane];
      high[lane] = w[i + lane] > high[lane] ? w[i + lane] : high[lane];
    }
  }
  return {*std::ranges::min_element(low), *std::ranges::max_element(high)};
}

/// Sums of one group, in lanes that are added in a fixed order.
struct GroupSums {
  float squared_error;
  float squared_size;
  float largest_error;
};

MLXE_EVERYWHERE float sum_of(const Lanes& lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

template <std::size_t kGroup>
MLXE_EVERYWHERE GroupSums compare(const float* w, const float* expanded) {
  Lanes error{};
  Lanes size{};
  Lanes largest{};
  for (std::size_t i = 0; i < kGroup; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float difference = std::fabs(w[i + lane] - expanded[i + lane]);
      error[lane] += difference * difference;
      size[lane] += w[i + lane] * w[i + lane];
      largest[lane] = difference > largest[lane] ? difference : largest[lane];
    }
  }
  return {sum_of(error), sum_of(size), *std::ranges::max_element(largest)};
}

MLXE_EVERYWHERE void add(const GroupSums& group, QuantizationError& error) {
  error.squared_error += static_cast<double>(group.squared_error);
  error.squared_size += static_cast<double>(group.squared_size);
  error.largest_error = std::max(error.largest_error, static_cast<double>(group.largest_error));
  // Squares overflow before elements do: sqrt(largest float) is far beyond any weight.
  error.sound = error.sound && std::isfinite(group.squared_size);
}

/// Code 0 stands for the end of the range that is farther from zero, so that it is kept exactly, and zero itself is
/// moved onto a code.
struct AffineGroup {
  float scale;
  float bias;
};

MLXE_EVERYWHERE AffineGroup affine_group(const Range& range, float num_bins) {
  constexpr float kLeastScale = 1e-7F;
  const bool from_below = std::fabs(range.smallest) > std::fabs(range.largest);
  const float step = std::max((range.largest - range.smallest) / num_bins, kLeastScale);
  AffineGroup group{.scale = from_below ? step : -step, .bias = 0};
  const float edge = from_below ? range.smallest : range.largest;
  const float steps_to_zero = std::rint(edge / group.scale);
  if (steps_to_zero != 0) {
    group.scale = edge / steps_to_zero;
    group.bias = edge;
  }
  return group;
}

template <std::size_t kGroup>
MLXE_EVERYWHERE void affine_codes(const float* w, const AffineGroup& group, float num_bins, std::uint8_t* codes) {
  for (std::size_t i = 0; i < kGroup; ++i) {
    // Clamped before it is rounded, as rounding by the magic number is exact for small ones only; the order does not
    // matter, the bounds are integers.
    float place = (w[i] - group.bias) / group.scale;
    place = place > 0.0F ? place : 0.0F;
    place = place < num_bins ? place : num_bins;
    codes[i] = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(place + kMagic));
  }
}

template <std::size_t kGroup, DType kType>
MLXE_EVERYWHERE QuantizationError quantize_affine(const std::byte* source, std::size_t count, int bits,
                                                  const QuantizedBlock& out) {
  const auto num_bins = static_cast<float>((1 << bits) - 1);
  constexpr std::size_t side_bytes = size_bytes(kType);
  QuantizationError error;
  alignas(64) std::array<float, kGroup> w;
  alignas(64) std::array<float, kGroup> expanded;
  alignas(64) Codes codes;
  for (std::size_t group = 0; group * kGroup < count; ++group) {
    cast_kernels::widen<kType, kGroup>(source + group * kGroup * size_bytes(kType), kGroup, w.data());
    const AffineGroup parts = affine_group(range_of<kGroup>(w.data()), num_bins);
    affine_codes<kGroup>(w.data(), parts, num_bins, codes.data());
    pack_codes(codes.data(), kGroup, bits, out.codes + group * kGroup * static_cast<std::size_t>(bits) / 8);
    cast_kernels::narrow<kType, 1>(&parts.scale, 1, out.scales + group * side_bytes);
    cast_kernels::narrow<kType, 1>(&parts.bias, 1, out.biases + group * side_bytes);
    const float scale = round_to<kType>(parts.scale);
    const float bias = round_to<kType>(parts.bias);
    for (std::size_t i = 0; i < kGroup; ++i) {
      expanded[i] = static_cast<float>(static_cast<int>(codes[i])) * scale + bias;
    }
    add(compare<kGroup>(w.data(), expanded.data()), error);
  }
  return error;
}

template <std::size_t kGroup>
MLXE_EVERYWHERE float largest_magnitude(const float* w) {
  Lanes largest{};
  for (std::size_t i = 0; i < kGroup; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float magnitude = std::fabs(w[i + lane]);
      largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
    }
  }
  return *std::ranges::max_element(largest);
}

/// To float8 E4M3: nearest, ties to even, beyond 448 the largest.
MLXE_EVERYWHERE std::uint8_t to_e4m3(float value) {
  constexpr std::uint32_t kSubnormal = 141U << 23U;  // 2^14, whose last bit is the last one of a subnormal: 2^-9
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFF'FFFFU;
  const std::uint32_t tiny =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + std::bit_cast<float>(kSubnormal)) - kSubnormal;
  const std::uint32_t normal = (magnitude - (120U << 23U) + 0x7'FFFFU + ((magnitude >> 20U) & 1U)) >> 20U;
  std::uint32_t code = magnitude < (121U << 23U) ? tiny : normal;
  code = magnitude >= (543U << 21U) ? 0x7EU : code;
  return static_cast<std::uint8_t>(code | ((bits >> 24U) & 0x80U));
}

constexpr std::array<float, 16> kE2m1 = {0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                         -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};

/// The first of the 16 values that is nearest, with differences as float32 has them: far beyond 6 several are equally
/// near, and the first of them is 0.
std::uint8_t nearest_e2m1(float value) {
  std::size_t best = 0;
  float distance = std::fabs(value - kE2m1[0]);
  for (std::size_t code = 1; code < kE2m1.size(); ++code) {
    const float other = std::fabs(value - kE2m1[code]);
    if (other < distance) {
      distance = other;
      best = code;
    }
  }
  return static_cast<std::uint8_t>(best);
}

template <std::size_t kGroup>
MLXE_EVERYWHERE void e2m1_codes(const float* v, std::uint8_t* codes) {
  // Up to here the differences are exact in all three types, so that the nearest value is a matter of the midpoints;
  // a midpoint belongs to the smaller value, and what is nearest to zero has no sign.
  constexpr float kExact = 16.0F;
  std::uint32_t beyond = 0;
  for (std::size_t i = 0; i < kGroup; ++i) {
    const float a = std::fabs(v[i]);
    const std::uint32_t code = (a > 0.25F ? 1U : 0U) + (a > 0.75F ? 1U : 0U) + (a > 1.25F ? 1U : 0U) +
                               (a > 1.75F ? 1U : 0U) + (a > 2.5F ? 1U : 0U) + (a > 3.5F ? 1U : 0U) +
                               (a > 5.0F ? 1U : 0U);
    const std::uint32_t sign = v[i] < -0.25F ? 8U : 0U;
    codes[i] = static_cast<std::uint8_t>(code | sign);
    beyond |= a <= kExact ? 0U : 1U;
  }
  if (beyond != 0) {
    for (std::size_t i = 0; i < kGroup; ++i) {
      codes[i] = nearest_e2m1(v[i]);
    }
  }
}

/// The group's scale as one byte, and what the elements are divided by.
struct FloatScale {
  std::uint8_t code;
  float divisor;
  bool sound = true;
};

template <DType kType>
FloatScale e4m3_scale(float ratio) {
  const std::uint8_t code = to_e4m3(ratio);
  float value = 0;
  const std::byte byte{code};
  widen_scales(QuantizationMode::kNvfp4, DType::kUInt8, &byte, 1, &value);
  return {.code = code, .divisor = round_to<kType>(value)};
}

/// The least power of two that is no smaller, or 1 for nothing.
template <DType kType>
FloatScale e8m0_scale(float ratio) {
  int exponent = 0;
  if (ratio > 0 && std::isfinite(ratio)) {
    const float fraction = std::frexp(ratio, &exponent);  // in [0.5, 1)
    exponent -= fraction == 0.5F ? 1 : 0;
  }
  // An exponent below -127 wraps around in the byte, as it does in libmlx.
  return {.code = static_cast<std::uint8_t>(static_cast<unsigned>(exponent + 127) & 0xFFU),
          .divisor = round_to<kType>(std::ldexp(1.0F, exponent)),
          .sound = exponent >= -127};
}

/// v = w / divisor, rounded to the type where that can change a code: an E8M0 scale is a power of two, and what its
/// quotients lose among the smallest numbers is far below the least code.
template <std::size_t kGroup, DType kType>
MLXE_EVERYWHERE void divide(const float* w, float divisor, bool rounds, float* v) {
  for (std::size_t i = 0; i < kGroup; ++i) {
    v[i] = w[i] / divisor;
  }
  if (rounds && kType != DType::kFloat32) {
    for (std::size_t i = 0; i < kGroup; ++i) {
      v[i] = round_to<kType>(v[i]);
    }
  }
}

const std::array<float, 256>& e4m3_values() {
  static const std::array<float, 256> values = [] {
    std::array<std::byte, 256> codes;
    for (std::size_t code = 0; code < codes.size(); ++code) {
      codes[code] = static_cast<std::byte>(code);
    }
    std::array<float, 256> wide{};
    widen_scales(QuantizationMode::kNvfp4, DType::kUInt8, codes.data(), codes.size(), wide.data());
    return wide;
  }();
  return values;
}

template <std::size_t kGroup, DType kType>
MLXE_EVERYWHERE QuantizationError quantize_float(const std::byte* source, std::size_t count, QuantizationMode mode,
                                                 const QuantizedBlock& out) {
  const bool is_fp8 = mode == QuantizationMode::kMxfp8;
  const std::size_t bits = is_fp8 ? 8 : 4;
  const std::array<float, 256>& e4m3 = e4m3_values();
  QuantizationError error;
  alignas(64) std::array<float, kGroup> w;
  alignas(64) std::array<float, kGroup> v;
  alignas(64) Codes codes;
  for (std::size_t group = 0; group * kGroup < count; ++group) {
    cast_kernels::widen<kType, kGroup>(source + group * kGroup * size_bytes(kType), kGroup, w.data());
    const float ratio = round_to<kType>(largest_magnitude<kGroup>(w.data()) / (is_fp8 ? 448.0F : 6.0F));
    const FloatScale scale = mode == QuantizationMode::kNvfp4 ? e4m3_scale<kType>(ratio) : e8m0_scale<kType>(ratio);
    divide<kGroup, kType>(w.data(), scale.divisor, mode == QuantizationMode::kNvfp4, v.data());
    if (is_fp8) {
      for (std::size_t i = 0; i < kGroup; ++i) {
        codes[i] = to_e4m3(v[i]);
      }
    } else {
      e2m1_codes<kGroup>(v.data(), codes.data());
    }
    pack_codes(codes.data(), kGroup, static_cast<int>(bits), out.codes + group * kGroup * bits / 8);
    out.scales[group] = std::byte{scale.code};
    for (std::size_t i = 0; i < kGroup; ++i) {
      v[i] = (is_fp8 ? e4m3[codes[i]] : kE2m1[codes[i]]) * scale.divisor;
    }
    add(compare<kGroup>(w.data(), v.data()), error);
    error.sound = error.sound && scale.sound;
  }
  return error;
}

template <DType kType>
MLXE_EVERYWHERE QuantizationError quantize_type(const std::byte* source, std::size_t count,
                                                const QuantizationFormat& format, const QuantizedBlock& out) {
  if (format.mode == QuantizationMode::kNvfp4) {
    return quantize_float<16, kType>(source, count, format.mode, out);
  }
  if (format.mode != QuantizationMode::kAffine) {
    return quantize_float<32, kType>(source, count, format.mode, out);
  }
  switch (format.group_size) {
    case 32: return quantize_affine<32, kType>(source, count, format.bits, out);
    case 64: return quantize_affine<64, kType>(source, count, format.bits, out);
    default: return quantize_affine<128, kType>(source, count, format.bits, out);
  }
}

template <DType kType>
QuantizationError quantize_anywhere(const std::byte* source, std::size_t count, const QuantizationFormat& format,
                                    const QuantizedBlock& out) {
  return quantize_type<kType>(source, count, format, out);
}

#ifdef MLXE_AVX2
template <DType kType>
MLXE_AVX2 QuantizationError quantize_avx2(const std::byte* source, std::size_t count, const QuantizationFormat& format,
                                          const QuantizedBlock& out) {
  return quantize_type<kType>(source, count, format, out);
}
#endif

template <DType kType>
QuantizationError quantize_here(const std::byte* source, std::size_t count, const QuantizationFormat& format,
                                const QuantizedBlock& out) {
#ifdef MLXE_AVX2
  if (cast_kernels::has_avx2()) {
    return quantize_avx2<kType>(source, count, format, out);
  }
#endif
  return quantize_anywhere<kType>(source, count, format, out);
}

}  // namespace

QuantizationError& QuantizationError::operator+=(const QuantizationError& other) {
  squared_error += other.squared_error;
  squared_size += other.squared_size;
  largest_error = std::max(largest_error, other.largest_error);
  sound = sound && other.sound;
  return *this;
}

double QuantizationError::relative() const {
  return squared_size > 0 ? std::sqrt(squared_error / squared_size) : 0.0;
}

QuantizationError quantize(DType dtype, const std::byte* source, std::size_t count, const QuantizationFormat& format,
                           const QuantizedBlock& out) {
  if (!is_legal(format) || format.bits == 1) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} cannot be made", to_string(format)));
  }
  if (!is_float(dtype) || count % static_cast<std::size_t>(format.group_size) != 0) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{} elements of type {} cannot be quantised in groups of {}",
                                                      count, to_string(dtype), format.group_size));
  }
  switch (dtype) {
    case DType::kFloat16: return quantize_here<DType::kFloat16>(source, count, format, out);
    case DType::kBFloat16: return quantize_here<DType::kBFloat16>(source, count, format, out);
    default: return quantize_here<DType::kFloat32>(source, count, format, out);
  }
}

}  // namespace mlxe
