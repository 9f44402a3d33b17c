// ggml's blocks. Source: the structures of ggml-common.h and dequantize_row_*() of ggml-quants.c in
// github.com/ggml-org/llama.cpp
#include "weights/gguf_blocks.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/half.h"
#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/integer_weight.h"

namespace mlxe {
namespace {

constexpr int kGroup = 32;
constexpr int kSuper = 256;  // elements of a block of the K types

float half_at(const std::byte* bytes) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, bytes, sizeof(bits));
  return float16_to_float(bits);
}

unsigned at(const std::byte* bytes, int index) {
  return std::to_integer<unsigned>(bytes[index]);
}

/// 32 codes under one scale and bias.
struct Group {
  std::array<std::uint8_t, kGroup> codes{};
  float scale = 0.0F;
  float bias = 0.0F;
};

/// The low halves of 16 bytes, then the high ones.
void take_halves(const std::byte* bytes, Group& group) {
  for (int i = 0; i < kGroup / 2; ++i) {
    group.codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(at(bytes, i) & 15U);
    group.codes[static_cast<std::size_t>(i + kGroup / 2)] = static_cast<std::uint8_t>(at(bytes, i) >> 4U);
  }
}

/// The fifth bits of 32 codes, one each.
void add_fifth_bits(const std::byte* bytes, Group& group) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, bytes, sizeof(bits));
  for (std::uint8_t& code : group.codes) {
    code = static_cast<std::uint8_t>(code | (bits & 1U) << 4U);
    bits >>= 1U;
  }
}

// Each fills the groups of one block. A product of a float16 and a code of up to 8 bits is exact in float32, so
// (code - zero) * scale is the same as code * scale + (-zero * scale).
void block_q4_0(const std::byte* block, Group* group) {
  group->scale = half_at(block);
  group->bias = -8.0F * group->scale;
  take_halves(block + 2, *group);
}

void block_q4_1(const std::byte* block, Group* group) {
  group->scale = half_at(block);
  group->bias = half_at(block + 2);
  take_halves(block + 4, *group);
}

void block_q5_0(const std::byte* block, Group* group) {
  group->scale = half_at(block);
  group->bias = -16.0F * group->scale;
  take_halves(block + 6, *group);
  add_fifth_bits(block + 2, *group);
}

void block_q5_1(const std::byte* block, Group* group) {
  group->scale = half_at(block);
  group->bias = half_at(block + 2);
  take_halves(block + 8, *group);
  add_fifth_bits(block + 4, *group);
}

void block_q8_0(const std::byte* block, Group* group) {
  group->scale = half_at(block);
  group->bias = -128.0F * group->scale;
  for (int i = 0; i < kGroup; ++i) {
    group->codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(at(block + 2, i) ^ 0x80U);
  }
}

/// Scales and minima of 6 bits: eight of each in twelve bytes.
std::pair<unsigned, unsigned> scale_and_minimum(const std::byte* bytes, int index) {
  if (index < 4) {
    return {at(bytes, index) & 63U, at(bytes, index + 4) & 63U};
  }
  return {(at(bytes, index + 4) & 15U) | (at(bytes, index - 4) >> 6U) << 4U,
          (at(bytes, index + 4) >> 4U) | (at(bytes, index) >> 6U) << 4U};
}

/// Both K types with minima: 4 bits, and a fifth in `high` if there is one.
void block_with_minima(const std::byte* block, const std::byte* high, const std::byte* low, Group* groups) {
  const float scale = half_at(block);
  const float minimum = half_at(block + 2);
  for (int index = 0; index < kSuper / kGroup; ++index) {
    Group& group = groups[index];
    const auto [own_scale, own_minimum] = scale_and_minimum(block + 4, index);
    group.scale = scale * static_cast<float>(own_scale);
    group.bias = -(minimum * static_cast<float>(own_minimum));
    const std::byte* const bytes = low + index / 2 * kGroup;
    for (int i = 0; i < kGroup; ++i) {
      unsigned code = index % 2 == 0 ? at(bytes, i) & 15U : at(bytes, i) >> 4U;
      if (high != nullptr) {
        code |= (at(high, i) >> static_cast<unsigned>(index) & 1U) << 4U;
      }
      group.codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(code);
    }
  }
}

void block_q4_k(const std::byte* block, Group* groups) {
  block_with_minima(block, nullptr, block + 16, groups);
}

void block_q5_k(const std::byte* block, Group* groups) {
  block_with_minima(block, block + 16, block + 48, groups);
}

struct PackedType {
  std::string_view name;
  int bits;
  void (*fill)(const std::byte* block, Group* groups);
};

constexpr std::array kPackedTypes = {
    PackedType{"Q4_0", 4, block_q4_0}, PackedType{"Q4_1", 4, block_q4_1}, PackedType{"Q5_0", 5, block_q5_0},
    PackedType{"Q5_1", 5, block_q5_1}, PackedType{"Q8_0", 8, block_q8_0}, PackedType{"Q4_K", 4, block_q4_k},
    PackedType{"Q5_K", 5, block_q5_k},
};

// Each writes the 256 elements of one block, in groups of 16.
void expand_q2_k(const std::byte* block, float* out) {
  const float scale = half_at(block + 80);
  const float minimum = half_at(block + 82);
  for (int i = 0; i < kSuper; ++i) {
    const unsigned sides = at(block, i / 16);
    const int place = i / 128 * 32 + i % 32;
    const unsigned code = at(block + 16, place) >> static_cast<unsigned>(i / 32 % 4 * 2) & 3U;
    out[i] =
        scale * static_cast<float>(sides & 15U) * static_cast<float>(code) - minimum * static_cast<float>(sides >> 4U);
  }
}

void expand_q3_k(const std::byte* block, float* out) {
  const float scale = half_at(block + 108);
  const std::byte* const sides = block + 96;
  for (int i = 0; i < kSuper; ++i) {
    const int group = i / 16;
    const unsigned low = at(sides, group % 8) >> (group < 8 ? 0U : 4U) & 15U;
    const unsigned high = at(sides, 8 + group % 4) >> static_cast<unsigned>(group / 4 * 2) & 3U;
    const int own_scale = static_cast<int>(low | high << 4U) - 32;
    const int place = i / 128 * 32 + i % 32;
    const unsigned code = at(block + 32, place) >> static_cast<unsigned>(i / 32 % 4 * 2) & 3U;
    const bool is_high = (at(block, i % 32) >> static_cast<unsigned>(i / 32) & 1U) != 0;
    out[i] = scale * static_cast<float>(own_scale) * static_cast<float>(static_cast<int>(code) - (is_high ? 0 : 4));
  }
}

void expand_q6_k(const std::byte* block, float* out) {
  const float scale = half_at(block + 208);
  for (int i = 0; i < kSuper; ++i) {
    const int half = i / 128;
    const unsigned low = at(block, half * 64 + i % 64) >> (i % 128 < 64 ? 0U : 4U) & 15U;
    const unsigned high = at(block + 128, half * 32 + i % 32) >> static_cast<unsigned>(i / 32 % 4 * 2) & 3U;
    const auto own_scale = static_cast<std::int8_t>(at(block + 192, i / 16));
    out[i] = scale * static_cast<float>(own_scale) * static_cast<float>(static_cast<int>(low | high << 4U) - 32);
  }
}

struct ExpandedType {
  std::string_view name;
  void (*expand)(const std::byte* block, float* out);
};

constexpr std::array kExpandedTypes = {ExpandedType{"Q2_K", expand_q2_k}, ExpandedType{"Q3_K", expand_q3_k},
                                       ExpandedType{"Q6_K", expand_q6_k}};

std::optional<DType> float_type(std::string_view name) {
  if (name == "F32") {
    return DType::kFloat32;
  }
  return name == "F16"    ? std::optional(DType::kFloat16)
         : name == "BF16" ? std::optional(DType::kBFloat16)
                          : std::nullopt;
}

/// Codes of a group as a stream of words.
void append_words(const Group& group, int bits, std::uint32_t* words) {
  std::uint64_t stream = 0;
  int filled = 0;
  for (const std::uint8_t code : group.codes) {
    stream |= std::uint64_t{code} << static_cast<unsigned>(filled);
    filled += bits;
    if (filled >= 32) {
      *words++ = static_cast<std::uint32_t>(stream);
      stream >>= 32U;
      filled -= 32;
    }
  }
}

HostTensor as_affine(const PackedType& packed, const GgmlType& type, const std::byte* data, const Shape& shape) {
  const std::size_t num_blocks = num_elements(shape) / type.block_size;
  const std::size_t groups_in_block = type.block_size / kGroup;
  std::vector<std::uint32_t> words(num_blocks * groups_in_block * static_cast<std::size_t>(packed.bits));
  std::vector<float> scales;
  std::vector<float> biases;
  scales.reserve(num_blocks * groups_in_block);
  biases.reserve(num_blocks * groups_in_block);
  std::array<Group, kSuper / kGroup> groups;
  std::uint32_t* place = words.data();
  for (std::size_t block = 0; block < num_blocks; ++block) {
    packed.fill(data + block * type.block_bytes, groups.data());
    for (std::size_t i = 0; i < groups_in_block; ++i) {
      append_words(groups[i], packed.bits, place);
      place += packed.bits;
      scales.push_back(groups[i].scale);
      biases.push_back(groups[i].bias);
    }
  }
  return affine_tensor(shape, {QuantizationMode::kAffine, packed.bits, kGroup},
                       owned_tensor(DType::kUInt32, {static_cast<int>(shape[0])}, std::move(words)), std::move(scales),
                       std::move(biases));
}

/// A copy of a tensor's rows with the converter's changes undone. llama.cpp takes the halves of each head of queries
/// and keys, whose elements turn together, and puts them beside each other; here they stay half a head apart. Rows in
/// front are zeros: zero bytes are so in every type, as the scale is one of them.
std::vector<std::byte> repaired_rows(const std::byte* data, std::size_t num_bytes, std::size_t num_rows,
                                     const GgufRepair& repair) {
  const std::size_t row_bytes = num_bytes / num_rows;
  const std::size_t front = static_cast<std::size_t>(repair.rows_in_front) * row_bytes;
  std::vector<std::byte> result(front + num_bytes);
  if (repair.heads_taken_apart == 0) {
    std::memcpy(result.data() + front, data, num_bytes);
    return result;
  }
  const std::size_t head = num_rows / static_cast<std::size_t>(repair.heads_taken_apart);
  for (std::size_t row = 0; row < num_rows; ++row) {
    const std::size_t in_head = row % head;
    const std::size_t target = row - in_head + in_head % 2 * (head / 2) + in_head / 2;
    std::memcpy(result.data() + front + target * row_bytes, data + row * row_bytes, row_bytes);
  }
  return result;
}

HostTensor shifted(const HostTensor& tensor, float subtracted) {
  std::vector<float> values = floats_of(tensor);
  for (float& value : values) {
    value -= subtracted;
  }
  return owned_tensor(tensor.shape, std::move(values));
}

}  // namespace

StoredTensor stored_tensor(const GgufFile& file, const std::string& name, const GgufRepair& repair) {
  const GgufTensor& source = file.tensors().at(name);
  const GgmlType& type = *source.type;
  const std::optional<DType> dtype = float_type(type.name);
  const auto* const packed = std::ranges::find(kPackedTypes, type.name, &PackedType::name);
  const auto* const expanded = std::ranges::find(kExpandedTypes, type.name, &ExpandedType::name);
  if (!dtype && packed == kPackedTypes.end() && expanded == kExpandedTypes.end()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: tensor '{}' has type {}, wanted one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
                            "Q2_K, Q3_K, Q4_K, Q5_K, Q6_K; take a file of one of these",
                            file.path().string(), printable(name, 100), type.name));
  }
  const auto refuse = [&](const std::string& wanted) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: tensor '{}' has shape {} of {}, wanted {}", file.path().string(), printable(name, 100),
                            to_string(source.shape), type.name, wanted));
  };
  Shape shape = source.shape;
  const auto num_rows = static_cast<std::size_t>(shape[0]);
  if (repair.heads_taken_apart > 0 && num_rows % (2 * static_cast<std::size_t>(repair.heads_taken_apart)) != 0) {
    refuse(fmt::format("rows of {} heads of even size", repair.heads_taken_apart));
  }
  if (source.shape.size() == 1 && !dtype) {
    refuse("numbers that are not quantised for a vector");
  }
  shape[0] += repair.rows_in_front;
  if (!repair.shape.empty()) {
    if (num_elements(repair.shape) != num_elements(shape) || repair.shape.back() != shape.back()) {
      refuse(fmt::format("as many elements as {}", to_string(repair.shape)));
    }
    shape = repair.shape;
  }
  HostTensor view;
  view.dtype = dtype.value_or(DType::kUInt8);
  view.shape = source.shape;
  view.data = source.data;
  view.owner = file.mapping();
  view.file = file.mapping().get();
  StoredTensor stored;
  stored.dtype = type.name;
  stored.tensor = view;
  stored.tensor.shape = shape;
  const bool as_it_is = repair.heads_taken_apart == 0 && repair.rows_in_front == 0 && repair.subtracted == 0.0F;
  if (dtype && as_it_is) {
    return stored;
  }
  stored.tensor.dtype = DType::kFloat32;
  stored.tensor.data = nullptr;
  stored.packed_bytes = source.num_bytes;
  stored.decode = [=, &type, num_bytes = source.num_bytes] {
    HostTensor repaired = view;
    if (!as_it_is) {
      const auto owner =
          std::make_shared<const std::vector<std::byte>>(repaired_rows(view.data, num_bytes, num_rows, repair));
      repaired = {.dtype = view.dtype, .shape = {}, .data = owner->data(), .owner = owner};
    }
    repaired.shape = shape;
    HostTensor tensor = repaired;
    if (packed != kPackedTypes.end()) {
      tensor = as_affine(*packed, type, repaired.data, shape);
    } else if (expanded != kExpandedTypes.end()) {
      std::vector<float> values(num_elements(shape));
      for (std::size_t block = 0; block < values.size() / kSuper; ++block) {
        expanded->expand(repaired.data + block * type.block_bytes, values.data() + block * kSuper);
      }
      tensor = owned_tensor(shape, std::move(values));
    }
    if (repair.subtracted != 0.0F) {
      tensor = shifted(tensor, repair.subtracted);
    }
    view.file->release_pages(view.data, num_bytes);
    return tensor;
  };
  return stored;
}

}  // namespace mlxe
