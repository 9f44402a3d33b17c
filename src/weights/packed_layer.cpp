// Takes layers' tensors apart, with messages that name tensor, found and wanted.
#include "weights/packed_layer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/integer_weight.h"

namespace mlxe {
namespace {

constexpr std::size_t kMaxNameBytes = 120;  // of a name in a message
constexpr int kTile = 16;                   // words of a cache line

template <typename Value>
std::vector<Value> turned(const Value* values, int rows, int columns) {
  std::vector<Value> result(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int first_row = 0; first_row < rows; first_row += kTile) {
    for (int column = 0; column < columns; ++column) {
      for (int row = first_row; row < std::min(rows, first_row + kTile); ++row) {
        result[static_cast<std::size_t>(column) * static_cast<std::size_t>(rows) + static_cast<std::size_t>(row)] =
            values[static_cast<std::size_t>(row) * static_cast<std::size_t>(columns) +
                   static_cast<std::size_t>(column)];
      }
    }
  }
  return result;
}

}  // namespace

PackedLayer::PackedLayer(std::string path, std::string form, Checkpoint& checkpoint)
    : path_(std::move(path)), form_(std::move(form)), checkpoint_(checkpoint) {}

std::optional<StoredTensor> PackedLayer::take(std::string_view part) {
  const auto found = checkpoint_.find(fmt::format("{}.{}", path_, part));
  if (found == checkpoint_.end()) {
    return std::nullopt;
  }
  StoredTensor stored = std::move(found->second);
  checkpoint_.erase(found);
  return stored;
}

std::optional<StoredTensor> PackedLayer::take_if_present(std::string_view part,
                                                         std::initializer_list<std::string_view> dtypes,
                                                         std::size_t rank) {
  std::optional<StoredTensor> stored = take(part);
  if (!stored) {
    return std::nullopt;
  }
  if (std::ranges::find(dtypes, stored->dtype) == dtypes.end()) {
    refuse(part, fmt::format("has dtype {}, wanted {} ({})", stored->dtype, fmt::join(dtypes, " or "), form_));
  }
  if (stored->tensor.shape.size() != rank) {
    refuse(part, fmt::format("has shape {}, wanted {} dimensions ({})", to_string(stored->tensor.shape), rank, form_));
  }
  return stored;
}

StoredTensor PackedLayer::need(std::string_view part, std::initializer_list<std::string_view> dtypes,
                               std::size_t rank) {
  std::optional<StoredTensor> stored = take_if_present(part, dtypes, rank);
  if (!stored) {
    refuse(part, fmt::format("is missing, wanted for {}", form_));
  }
  return *std::move(stored);
}

void PackedLayer::check_shape(std::string_view part, const StoredTensor& stored, const Shape& wanted) const {
  if (stored.tensor.shape != wanted) {
    refuse(part, fmt::format("has shape {}, wanted {} ({})", to_string(stored.tensor.shape), to_string(wanted), form_));
  }
}

void PackedLayer::refuse(std::string_view part, std::string_view text) const {
  throw Error(ErrorCode::kCorruptModel, fmt::format("tensor '{}.{}' {}", printable(path_, kMaxNameBytes), part, text));
}

void PackedLayer::put_weight(const Shape& shape, std::string form, std::size_t packed_bytes,
                             std::function<HostTensor()> decode) {
  StoredTensor weight;
  weight.tensor.shape = shape;
  weight.dtype = std::move(form);
  weight.decode = std::move(decode);
  weight.packed_bytes = packed_bytes;
  if (!checkpoint_.emplace(fmt::format("{}.weight", path_), std::move(weight)).second) {
    refuse("weight", fmt::format("is there beside the layer's packed tensors ({})", form_));
  }
}

std::vector<std::string> layers_with(const Checkpoint& checkpoint, std::string_view ending) {
  std::vector<std::string> layers;
  for (const auto& [name, stored] : checkpoint) {
    if (name.ends_with(ending)) {
      layers.push_back(name.substr(0, name.size() - ending.size()));
    }
  }
  return layers;
}

std::size_t stored_bytes(const StoredTensor& stored) {
  const std::size_t elements = num_elements(stored.tensor.shape);
  return stored.supported ? elements * size_bytes(stored.tensor.dtype) : elements;  // the others here have one byte
}

std::vector<int> integers_of(const StoredTensor& stored, int limit,
                             const std::function<void(std::string_view)>& refuse) {
  std::vector<int> values(num_elements(stored.tensor.shape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::int64_t value = 0;
    if (stored.dtype == "I64") {
      std::memcpy(&value, stored.tensor.data + i * sizeof(value), sizeof(value));
    } else {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, stored.tensor.data + i * sizeof(narrow), sizeof(narrow));
      value = narrow;
    }
    if (value < 0 || value >= limit) {
      refuse(fmt::format("has {} at {}, wanted 0 to {}", value, i, limit - 1));
    }
    values[i] = static_cast<int>(value);
  }
  return values;
}

std::vector<int> unpacked_codes(const HostTensor& words, int rows, int columns, int bits, int row_words) {
  std::vector<int> codes;
  codes.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  for (int row = 0; row < rows; ++row) {
    CodeStream stream(
        words.data + static_cast<std::size_t>(row) * static_cast<std::size_t>(row_words) * sizeof(std::uint32_t), bits);
    for (int column = 0; column < columns; ++column) {
      codes.push_back(static_cast<int>(stream.next()));
    }
  }
  return codes;
}

std::vector<std::uint32_t> transposed_words(const std::byte* words, int rows, int columns) {
  std::vector<std::uint32_t> copy(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns));
  if (!copy.empty()) {
    std::memcpy(copy.data(), words, copy.size() * sizeof(std::uint32_t));
  }
  return turned(copy.data(), rows, columns);
}

std::vector<float> transposed(const std::vector<float>& values, int rows, int columns) {
  return turned(values.data(), rows, columns);
}

std::vector<int> transposed(const std::vector<int>& values, int rows, int columns) {
  return turned(values.data(), rows, columns);
}

}  // namespace mlxe
