// The rules of the GGUF format, checked one by one: a header is written by a stranger. What goes wrong where they are
// not is known: CVE-2024-21802, CVE-2025-53630 and CVE-2026-27940 are sizes that overflow, CVE-2026-7482 dimensions
// that lie.
#include "weights/gguf_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/gguf_reader.h"

namespace mlxe {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::size_t kDefaultAlignment = 32;
constexpr std::int64_t kMaxAlignment = 1 << 20;
// Far above real files, and low enough to stay cheap.
constexpr std::uint64_t kMaxTensors = 200'000;
constexpr std::uint64_t kMaxValues = 100'000;
constexpr std::uint64_t kMaxNameBytes = 1024;
constexpr std::uint32_t kMaxRank = 4;  // of ggml

constexpr std::array<GgmlType, 34> kTypes{{
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},
}};

/// A tensor of the header, whose data are not looked for yet.
struct Listed {
  std::string name;
  const GgmlType* type = nullptr;
  Shape shape;
  std::size_t num_bytes = 0;
  std::uint64_t offset = 0;
};

Listed read_tensor_info(GgufReader& reader) {
  Listed listed;
  listed.name = reader.text("a tensor's name", kMaxNameBytes);
  const std::string what = fmt::format("tensor '{}'", printable(listed.name, 100));
  if (listed.name.empty() || !is_valid_utf8(listed.name)) {
    reader.fail(fmt::format("{}: its name is {}, wanted text", what, listed.name.empty() ? "empty" : "no UTF-8"));
  }
  const auto rank = reader.number<std::uint32_t>(what);
  if (rank < 1 || rank > kMaxRank) {
    reader.fail(fmt::format("{}: it has {} dimensions, wanted 1 to {}", what, rank, kMaxRank));
  }
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    const auto dimension = reader.number<std::uint64_t>(what);
    if (dimension < 1 || dimension > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) {
      reader.fail(
          fmt::format("{}: a dimension is {}, wanted 1 to {}", what, dimension, std::numeric_limits<int>::max()));
    }
    if (__builtin_mul_overflow(elements, dimension, &elements)) {
      reader.fail(fmt::format("{}: its dimensions overflow the count of its elements", what));
    }
    listed.shape.insert(listed.shape.begin(), static_cast<int>(dimension));  // the file has that of a row first
  }
  const auto id = reader.number<std::uint32_t>(what);
  const auto* const type = std::ranges::find(kTypes, id, &GgmlType::id);
  if (type == kTypes.end()) {
    reader.fail(
        fmt::format("{}: type {} is unknown to this version, wanted F32, F16, BF16 or a quantised one", what, id),
        ErrorCode::kUnsupported);
  }
  listed.type = type;
  if (static_cast<std::uint64_t>(listed.shape.back()) % type->block_size != 0) {
    reader.fail(fmt::format("{}: its rows have {} elements, wanted whole blocks of {} ({})", what, listed.shape.back(),
                            type->block_size, type->name));
  }
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(elements / type->block_size, std::uint64_t{type->block_bytes}, &bytes)) {
    reader.fail(
        fmt::format("{}: shape {} of {} overflows the count of its bytes", what, to_string(listed.shape), type->name));
  }
  listed.num_bytes = static_cast<std::size_t>(bytes);
  listed.offset = reader.number<std::uint64_t>(what);
  return listed;
}

/// Data follow each other, each begins at a multiple of the alignment: no hole hides anything, no two overlap.
void place(const GgufReader& reader, std::vector<Listed>& listed, std::span<const std::byte> data,
           std::size_t alignment, std::map<std::string, GgufTensor>& tensors) {
  std::ranges::sort(listed, {}, &Listed::offset);
  std::uint64_t expected = 0;
  std::uint64_t end = 0;
  for (const Listed& tensor : listed) {
    const std::string what = fmt::format("tensor '{}'", printable(tensor.name, 100));
    if (tensor.offset != expected) {
      reader.fail(
          fmt::format("{}: its data start at byte {}, wanted {}: {}", what, tensor.offset, expected,
                      tensor.offset < expected ? "it overlaps another tensor or is not aligned" : "there is a hole"));
    }
    if (tensor.num_bytes > data.size() || tensor.offset > data.size() - tensor.num_bytes) {
      reader.fail(fmt::format("{}: shape {} of {} wants bytes {} to {}, the file has {} bytes of data; it is cut off",
                              what, to_string(tensor.shape), tensor.type->name, tensor.offset,
                              tensor.offset + tensor.num_bytes, data.size()));
    }
    end = tensor.offset + tensor.num_bytes;
    expected = (end + alignment - 1) / alignment * alignment;
    tensors.emplace(tensor.name, GgufTensor{.type = tensor.type,
                                            .shape = tensor.shape,
                                            .data = data.data() + tensor.offset,
                                            .num_bytes = tensor.num_bytes});
  }
  if (data.size() > expected) {
    reader.fail(fmt::format("{} bytes follow the last tensor, wanted none", data.size() - end));
  }
}

}  // namespace

GgufFile::GgufFile(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: {}", path.string(),
                            std::filesystem::exists(path, error) ? "it is no regular file" : "no such file"));
  }
  mapping_ = std::make_shared<const MappedFile>(path);
  const std::span<const std::byte> bytes = mapping_->bytes();
  GgufReader reader(path.string(), bytes);
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 32));
  if (!start.starts_with(kMagic)) {
    reader.fail(start.starts_with("version https://git-lfs")
                    ? "this is a git-LFS pointer, not the model; run 'git lfs pull' in its folder or download it again"
                    : "it does not start with 'GGUF', so it is no GGUF file");
  }
  static_cast<void>(reader.number<std::uint32_t>("the magic"));
  const auto version = reader.number<std::uint32_t>("the version");
  if (version != 2 && version != 3) {
    reader.fail((version & 0xFFFFU) == 0 ? "it is for big-endian machines, wanted the little-endian file"
                                         : fmt::format("it has version {}, wanted 2 or 3; convert the model again with "
                                                       "a newer llama.cpp",
                                                       version),
                ErrorCode::kUnsupported);
  }
  const auto num_tensors = reader.number<std::uint64_t>("the number of tensors");
  const auto num_values = reader.number<std::uint64_t>("the number of metadata");
  if (num_tensors > kMaxTensors || num_values > kMaxValues) {
    reader.fail(fmt::format("it announces {} tensors and {} metadata, wanted at most {} and {}", num_tensors,
                            num_values, kMaxTensors, kMaxValues));
  }
  for (std::uint64_t i = 0; i < num_values; ++i) {
    std::string key = reader.text("a key", kMaxNameBytes);
    if (key.empty() || !is_valid_utf8(key)) {
      reader.fail(fmt::format("key {} of the metadata is {}, wanted text", i, key.empty() ? "empty" : "no UTF-8"));
    }
    const std::string what = fmt::format("'{}'", printable(key, 100));
    if (values_.contains(key)) {
      reader.fail(fmt::format("{} is there twice", what));
    }
    values_.emplace(std::move(key), read_gguf_value(reader, what));
  }
  std::vector<Listed> listed;
  std::map<std::string, int> names;
  for (std::uint64_t i = 0; i < num_tensors; ++i) {
    listed.push_back(read_tensor_info(reader));
    if (++names[listed.back().name] > 1) {
      reader.fail(fmt::format("tensor '{}' is there twice", printable(listed.back().name, 100)));
    }
  }
  const std::int64_t alignment = integer("general.alignment").value_or(kDefaultAlignment);
  if (alignment < 1 || alignment > kMaxAlignment || !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
    reader.fail(fmt::format("'general.alignment' is {}, wanted a power of two up to {}", alignment, kMaxAlignment));
  }
  const auto step = static_cast<std::size_t>(alignment);
  const std::size_t begin = std::min((reader.at() + step - 1) / step * step, bytes.size());
  place(reader, listed, bytes.subspan(begin), step, tensors_);
}

const GgufValue* GgufFile::find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufFile::wrong_type(const std::string& key, std::string_view wanted) const {
  throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' is no {}", path_.string(), key, wanted));
}

std::optional<std::string> GgufFile::text(const std::string& key) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto* const text = std::get_if<std::string>(value);
  if (text == nullptr || !is_valid_utf8(*text)) {
    wrong_type(key, "text");
  }
  return *text;
}

std::optional<std::int64_t> GgufFile::integer(const std::string& key) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto* const integer = std::get_if<std::int64_t>(value);
  if (integer == nullptr) {
    wrong_type(key, "integer");
  }
  return *integer;
}

std::optional<double> GgufFile::number(const std::string& key) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (const auto* const integer = std::get_if<std::int64_t>(value)) {
    return static_cast<double>(*integer);
  }
  const auto* const number = std::get_if<double>(value);
  if (number == nullptr || !std::isfinite(*number)) {
    wrong_type(key, "finite number");
  }
  return *number;
}

std::optional<bool> GgufFile::boolean(const std::string& key) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  const auto* const truth = std::get_if<bool>(value);
  if (truth == nullptr) {
    wrong_type(key, "truth value");
  }
  return *truth;
}

template <typename Value>
const Value* GgufFile::list(const std::string& key, std::string_view wanted) const {
  const GgufValue* const value = find(key);
  if (value == nullptr) {
    return nullptr;
  }
  const auto* const found = std::get_if<Value>(value);
  if (found == nullptr) {
    wrong_type(key, wanted);
  }
  return found;
}

const std::vector<std::string>* GgufFile::texts(const std::string& key) const {
  return list<std::vector<std::string>>(key, "list of texts");
}

const std::vector<std::int64_t>* GgufFile::integers(const std::string& key) const {
  return list<std::vector<std::int64_t>>(key, "list of integers");
}

const std::vector<double>* GgufFile::numbers(const std::string& key) const {
  return list<std::vector<double>>(key, "list of numbers");
}

}  // namespace mlxe
