// GPTQ: codes packed along a weight's inputs, zero points along its outputs, one less than what they stand for.
#include "weights/gptq.h"

#include <algorithm>
#include <array>
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

constexpr std::array kBits = {2, 3, 4, 8};
constexpr int kMaxColumns = 1 << 24;

struct Gptq {
  int bits = 4;
  int zero_step = 1;  // that the first format leaves away
};

Gptq parse(const JsonFields& settings) {
  const std::string format = settings.text("checkpoint_format", "gptq");
  if (format != "gptq" && format != "gptq_v2") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'checkpoint_format' is '{}', wanted gptq or gptq_v2; save the model again in one of "
                            "these with GPTQModel",
                            settings.what(), printable(format, 40)));
  }
  const Gptq gptq{.bits = settings.integer("bits", 1, 16), .zero_step = format == "gptq" ? 1 : 0};
  if (std::ranges::find(kBits, gptq.bits) == kBits.end()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: 'bits' is {}, wanted 2, 3, 4 or 8", settings.what(), gptq.bits));
  }
  return gptq;
}

/// The layer's own bits and columns: GPTQModel's `dynamic` gives layers bits of their own, which the order of the
/// columns tells.
std::pair<int, int> bits_and_columns(const Gptq& gptq, const PackedLayer& layer, const StoredTensor& codes,
                                     const std::optional<StoredTensor>& order) {
  const std::int64_t all_bits = std::int64_t{codes.tensor.shape[0]} * 32;
  if (all_bits > std::int64_t{kMaxColumns} * 8) {
    layer.refuse("qweight", fmt::format("has shape {}, more rows than a weight has", to_string(codes.tensor.shape)));
  }
  if (order && order->tensor.shape[0] > 0) {
    const int columns = order->tensor.shape[0];
    for (const int bits : kBits) {
      if (std::int64_t{columns} * bits == all_bits) {
        return {bits, columns};
      }
    }
    layer.refuse("g_idx", fmt::format("has shape {}, wanted the columns of {} rows of {}-bit codes",
                                      to_string(order->tensor.shape), codes.tensor.shape[0], gptq.bits));
  }
  if (all_bits % gptq.bits != 0) {
    layer.refuse("qweight", fmt::format("has {} rows, wanted a multiple of {} ({}-bit codes)", codes.tensor.shape[0],
                                        gptq.bits, gptq.bits));
  }
  return {gptq.bits, static_cast<int>(all_bits / gptq.bits)};
}

void translate_layer(const Gptq& gptq, PackedLayer layer) {
  const StoredTensor codes = layer.need("qweight", {"I32", "U32"}, 2);
  const StoredTensor zeros = layer.need("qzeros", {"I32", "U32"}, 2);
  const StoredTensor scales = layer.need("scales", {"F16", "BF16", "F32"}, 2);
  const std::optional<StoredTensor> order = layer.take_if_present("g_idx", {"I32", "I64"}, 1);
  const auto [bits, columns] = bits_and_columns(gptq, layer, codes, order);
  const int rows = codes.tensor.shape[1];
  const int groups = scales.tensor.shape[0];
  if (rows * std::int64_t{bits} % 32 != 0) {
    layer.refuse("qweight", fmt::format("has {} columns, wanted whole words of {}-bit zero points", rows, bits));
  }
  layer.check_shape("scales", scales, {groups, rows});
  layer.check_shape("qzeros", zeros, {groups, static_cast<int>(std::int64_t{rows} * bits / 32)});
  if (groups < 1 || groups > columns) {
    layer.refuse("scales", fmt::format("has {} groups for {} columns", groups, columns));
  }
  std::vector<int> group_of;
  if (order && order->tensor.shape[0] > 0) {
    group_of = integers_of(*order, groups, [&](std::string_view text) { layer.refuse("g_idx", text); });
    bool in_order = columns % groups == 0;
    for (int column = 0; in_order && column < columns; ++column) {
      in_order = group_of[static_cast<std::size_t>(column)] == column / (columns / groups);
    }
    if (in_order) {
      group_of.clear();
    }
  } else if (columns % groups != 0) {
    layer.refuse("scales", fmt::format("has {} groups, which do not divide {} columns", groups, columns));
  }
  const bool reordered = !group_of.empty();
  layer.put_weight({rows, columns},
                   fmt::format("{}-bit GPTQ{}, groups of {}", bits, reordered ? " in activation order" : "",
                               (columns + groups - 1) / groups),
                   stored_bytes(codes) + stored_bytes(zeros) + stored_bytes(scales),
                   [=, zero_step = gptq.zero_step, bits = bits, columns = columns, group_of = std::move(group_of)] {
                     const int row_words = codes.tensor.shape[0];
                     std::vector<int> zero_codes =
                         unpacked_codes(zeros.tensor, groups, rows, bits, zeros.tensor.shape[1]);
                     for (int& zero : zero_codes) {
                       zero = (zero + zero_step) & ((1 << bits) - 1);  // AutoGPTQ's kernels let it wrap
                     }
                     HostTensor words = owned_tensor(DType::kUInt32, {rows, row_words},
                                                     transposed_words(codes.tensor.data, row_words, rows));
                     release_pages(codes.tensor);
                     return to_weight({.shape = {rows, columns},
                                       .bits = bits,
                                       .codes = std::move(words),
                                       .num_groups = groups,
                                       .scales = transposed(floats_of(scales.tensor), groups, rows),
                                       .zeros = transposed(zero_codes, groups, rows),
                                       .group_of = group_of});
                   });
}

}  // namespace

void translate_gptq(const JsonFields& settings, Checkpoint& checkpoint) {
  const Gptq gptq = parse(settings);
  for (const std::string& path : layers_with(checkpoint, ".qweight")) {
    translate_layer(gptq, PackedLayer(path, fmt::format("GPTQ of {} bits", gptq.bits), checkpoint));
  }
}

}  // namespace mlxe
