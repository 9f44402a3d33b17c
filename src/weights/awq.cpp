// AWQ's layout for matrix products ("gemm"): eight outputs in a word, in an order of their own.
#include "weights/awq.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/integer_weight.h"
#include "weights/packed_layer.h"

namespace mlxe {
namespace {

constexpr int kPerWord = 8;
// Where output o of eight lies in a word: the order 0, 2, 4, 6, 1, 3, 5, 7 read backwards.
constexpr std::array<unsigned, kPerWord> kPlace = {0, 4, 1, 5, 2, 6, 3, 7};

unsigned code_at(std::uint32_t word, unsigned output) {
  return word >> (4 * kPlace[output]) & 0xFU;
}

/// [columns, rows / 8] words of eight outputs each to [rows, columns / 8] words of eight inputs each, low bits first.
std::vector<std::uint32_t> by_output(const std::byte* words, int columns, int rows) {
  const auto row_words = static_cast<std::size_t>(columns / kPerWord);
  const auto width = static_cast<std::size_t>(rows / kPerWord);
  std::vector<std::uint32_t> result(static_cast<std::size_t>(rows) * row_words);
  for (std::size_t chunk = 0; chunk < row_words; ++chunk) {
    for (std::size_t word = 0; word < width; ++word) {
      for (unsigned input = 0; input < kPerWord; ++input) {
        std::uint32_t packed = 0;
        std::memcpy(&packed, words + ((chunk * kPerWord + input) * width + word) * sizeof(packed), sizeof(packed));
        for (unsigned output = 0; output < kPerWord; ++output) {
          result[(word * kPerWord + output) * row_words + chunk] |= code_at(packed, output) << (4 * input);
        }
      }
    }
  }
  return result;
}

/// [groups, rows / 8] words to [rows, groups] zero points.
std::vector<int> zero_points(const HostTensor& words, int groups, int rows) {
  std::vector<int> zeros(static_cast<std::size_t>(groups) * static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < zeros.size() / kPerWord; ++i) {
    std::uint32_t packed = 0;
    std::memcpy(&packed, words.data + i * sizeof(packed), sizeof(packed));
    for (unsigned output = 0; output < kPerWord; ++output) {
      zeros[i * kPerWord + output] = static_cast<int>(code_at(packed, output));
    }
  }
  return transposed(zeros, groups, rows);
}

void translate_layer(PackedLayer layer) {
  const StoredTensor codes = layer.need("qweight", {"I32", "U32"}, 2);
  const StoredTensor zeros = layer.need("qzeros", {"I32", "U32"}, 2);
  const StoredTensor scales = layer.need("scales", {"F16", "BF16", "F32"}, 2);
  const int columns = codes.tensor.shape[0];
  const int groups = scales.tensor.shape[0];
  if (codes.tensor.shape[1] > (1 << 24)) {
    layer.refuse("qweight", fmt::format("has shape {}, more columns than a weight has", to_string(codes.tensor.shape)));
  }
  const int rows = codes.tensor.shape[1] * kPerWord;
  layer.check_shape("scales", scales, {groups, rows});
  layer.check_shape("qzeros", zeros, {groups, rows / kPerWord});
  if (groups < 1 || columns % groups != 0 || columns % kPerWord != 0) {
    layer.refuse("scales", fmt::format("has {} groups, which do not divide {} columns", groups, columns));
  }
  layer.put_weight({rows, columns}, fmt::format("4-bit AWQ, groups of {}", columns / groups),
                   stored_bytes(codes) + stored_bytes(scales) + stored_bytes(zeros), [=] {
                     HostTensor words = owned_tensor(DType::kUInt32, {rows, columns / kPerWord},
                                                     by_output(codes.tensor.data, columns, rows));
                     release_pages(codes.tensor);
                     return to_weight({.shape = {rows, columns},
                                       .bits = 4,
                                       .codes = std::move(words),
                                       .num_groups = groups,
                                       .scales = transposed(floats_of(scales.tensor), groups, rows),
                                       .zeros = zero_points(zeros.tensor, groups, rows)});
                   });
}

}  // namespace

void translate_awq(const JsonFields& settings, Checkpoint& checkpoint) {
  const std::string version = ascii_lower(settings.text("version", settings.text("format", "gemm")));
  if (version != "gemm") {
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{}: 'version' is '{}', wanted gemm, the layout that AutoAWQ saves by default; quantise the "
                    "model again with version gemm, or use its checkpoint that is not quantised",
                    settings.what(), printable(version, 40)));
  }
  if (const int bits = settings.integer("bits", 1, 16, 4); bits != 4) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: 'bits' is {}, wanted 4", settings.what(), bits));
  }
  for (const std::string& path : layers_with(checkpoint, ".qweight")) {
    translate_layer(PackedLayer(path, "4-bit AWQ", checkpoint));
  }
}

}  // namespace mlxe
