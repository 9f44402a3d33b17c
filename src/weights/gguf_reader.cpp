// The types of a GGUF file's metadata.
#include "weights/gguf_reader.h"

#include <vector>

namespace mlxe {
namespace {

// The types of metadata.
enum ValueType : std::uint32_t {
  kUInt8 = 0,
  kInt8,
  kUInt16,
  kInt16,
  kUInt32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUInt64,
  kInt64,
  kFloat64
};

std::size_t least_bytes(std::uint32_t type) {
  switch (type) {
    case kUInt8:
    case kInt8:
    case kBool: return 1;
    case kUInt16:
    case kInt16: return 2;
    case kUInt32:
    case kInt32:
    case kFloat32: return 4;
    case kUInt64:
    case kInt64:
    case kFloat64:
    case kString: return 8;  // a string has its length
    default: return 0;
  }
}

std::int64_t integer_value(GgufReader& reader, std::uint32_t type, std::string_view what) {
  switch (type) {
    case kUInt8: return reader.number<std::uint8_t>(what);
    case kInt8: return reader.number<std::int8_t>(what);
    case kUInt16: return reader.number<std::uint16_t>(what);
    case kInt16: return reader.number<std::int16_t>(what);
    case kUInt32: return reader.number<std::uint32_t>(what);
    case kInt32: return reader.number<std::int32_t>(what);
    case kInt64: return reader.number<std::int64_t>(what);
    default: break;
  }
  const auto value = reader.number<std::uint64_t>(what);
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    reader.fail(fmt::format("{} is {}, wanted at most {}", what, value, std::numeric_limits<std::int64_t>::max()));
  }
  return static_cast<std::int64_t>(value);
}

bool bool_value(GgufReader& reader, std::string_view what) {
  const auto value = reader.number<std::uint8_t>(what);
  if (value > 1) {
    reader.fail(fmt::format("{} is {}, wanted a truth value: 0 or 1", what, value));
  }
  return value != 0;
}

double float_value(GgufReader& reader, std::uint32_t type, std::string_view what) {
  return type == kFloat32 ? static_cast<double>(reader.number<float>(what)) : reader.number<double>(what);
}

GgufValue list_value(GgufReader& reader, const std::string& what) {
  const auto type = reader.number<std::uint32_t>(what);
  const auto count = reader.number<std::uint64_t>(what);
  const std::size_t least = least_bytes(type);
  if (least == 0) {
    reader.fail(type == kArray ? fmt::format("{} is a list of lists, which no model has", what)
                               : fmt::format("{} is a list of type {}, which the format does not have", what, type));
  }
  if (count > reader.left() / least) {
    reader.fail(fmt::format("{} announces {} values, but only {} bytes follow", what, count, reader.left()));
  }
  if (type == kString) {
    std::vector<std::string> texts;
    texts.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      texts.push_back(reader.text(what));
    }
    return texts;
  }
  if (type == kFloat32 || type == kFloat64) {
    std::vector<double> numbers;
    numbers.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      numbers.push_back(float_value(reader, type, what));
    }
    return numbers;
  }
  std::vector<std::int64_t> integers;
  integers.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    integers.push_back(type == kBool ? std::int64_t{bool_value(reader, what)} : integer_value(reader, type, what));
  }
  return integers;
}

}  // namespace

GgufValue read_gguf_value(GgufReader& reader, const std::string& what) {
  const auto type = reader.number<std::uint32_t>(what);
  switch (type) {
    case kUInt8:
    case kInt8:
    case kUInt16:
    case kInt16:
    case kUInt32:
    case kInt32:
    case kUInt64:
    case kInt64: return integer_value(reader, type, what);
    case kFloat32:
    case kFloat64: return float_value(reader, type, what);
    case kBool: return bool_value(reader, what);
    case kString: return reader.text(what);
    case kArray: return list_value(reader, what);
    default: break;
  }
  reader.fail(fmt::format("{} has type {}, which the format does not have", what, type));
}

}  // namespace mlxe
