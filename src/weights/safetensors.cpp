// The rules of the safetensors format, checked one by one: a header is written by a stranger.
#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/files.h"
#include "base/json.h"
#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
// Far above real checkpoints (the largest have some ten thousand tensors in a file), and low enough to stay cheap.
constexpr std::size_t kMaxTensors = 200'000;
constexpr std::size_t kMaxNameBytes = 1024;
constexpr std::size_t kMaxRank = 16;

/// An element type of the format. Those without a DType are listed but cannot be used.
struct FormatType {
  std::string_view name;
  unsigned bits;
  std::optional<DType> dtype;
};

constexpr std::array<FormatType, 22> kFormatTypes{{
    {"F32", 32, DType::kFloat32},     {"F16", 16, DType::kFloat16}, {"BF16", 16, DType::kBFloat16},
    {"I64", 64, DType::kInt64},       {"I32", 32, DType::kInt32},   {"U32", 32, DType::kUInt32},
    {"U8", 8, DType::kUInt8},         {"BOOL", 8, std::nullopt},    {"I8", 8, std::nullopt},
    {"I16", 16, std::nullopt},        {"U16", 16, std::nullopt},    {"U64", 64, std::nullopt},
    {"F64", 64, std::nullopt},        {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt}, {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt}, {"F6_E3M2", 6, std::nullopt},
    {"F4", 4, std::nullopt},
}};

/// Where a tensor's bytes lie behind the header.
struct Range {
  std::size_t begin;
  std::size_t end;
  std::string name;
};

/// Throws Error{kCorruptModel} with the file's name in front.
class Complaint {
 public:
  explicit Complaint(const std::filesystem::path& path) : file_(path.string()) {}

  [[noreturn]] void about_file(std::string_view text) const {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: {}", file_, text));
  }
  [[noreturn]] void about_tensor(std::string_view name, std::string_view text) const {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: tensor '{}': {}", file_, printable(name, 100), text));
  }

 private:
  std::string file_;
};

/// What people often have in place of the file, each with the way out; nothing if it is none of these.
std::optional<std::string_view> other_kind(std::string_view start) {
  if (start.starts_with("version https://git-lfs")) {
    return "this is a git-LFS pointer, not the weights; run 'git lfs pull' in its folder or download the file again";
  }
  const std::size_t text = start.find_first_not_of(" \t\r\n");
  if (text != std::string_view::npos && start[text] == '<') {
    return "this is a web page, not the weights; download the file again";
  }
  if (start.starts_with("PK\x03\x04") || start.starts_with("\x80\x02")) {
    return "this is a pickled PyTorch file under a wrong name, wanted safetensors";
  }
  return std::nullopt;
}

/// The header's text, once its announced length has been found to fit.
std::string_view header_of(std::string_view file, const Complaint& complaint) {
  // Only a file that cannot be right is asked what else it is: a length may begin with the same bytes.
  const auto refuse = [&](std::string_view reason) {
    complaint.about_file(other_kind(file.substr(0, 64)).value_or(reason));
  };
  if (file.size() < kLengthBytes) {
    refuse(fmt::format("it has {} bytes, wanted at least the {} of the header's length", file.size(), kLengthBytes));
  }
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i > 0; --i) {
    length = length << 8U | static_cast<unsigned char>(file[i - 1]);  // little-endian
  }
  if (length > kMaxHeaderBytes) {
    refuse(fmt::format("its header announces {} bytes, wanted at most {}", length, kMaxHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    refuse(fmt::format("its header announces {} bytes, but only {} follow; the file is cut off", length,
                       file.size() - kLengthBytes));
  }
  const std::string_view header = file.substr(kLengthBytes, length);
  if (!header.starts_with('{')) {
    refuse("its header does not start with '{', wanted a JSON object");
  }
  return header;
}

void check_metadata(const Json& metadata, const Complaint& complaint) {
  if (metadata.is_null()) {  // libmlx writes it where it was given none, and the reference implementation reads it
    return;
  }
  if (!metadata.is_object()) {
    complaint.about_file("'__metadata__' is no object, wanted strings by name");
  }
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) {
      complaint.about_file(fmt::format("'__metadata__' holds '{}', which is no string", printable(key, 100)));
    }
  }
}

/// A field of a tensor's description that must be a list of non-negative integers.
std::vector<std::uint64_t> integers_of(const std::string& name, const Json& description, const char* field,
                                       const Complaint& complaint) {
  const auto found = description.find(field);
  if (found == description.end() || !found->is_array()) {
    complaint.about_tensor(name, fmt::format("'{}' is missing or no list", field));
  }
  std::vector<std::uint64_t> integers;
  for (const Json& element : *found) {
    if (!element.is_number_unsigned()) {
      complaint.about_tensor(name, fmt::format("'{}' holds {}, wanted integers of at least 0", field,
                                               element.is_structured() ? "a structure" : element.dump()));
    }
    integers.push_back(element.get<std::uint64_t>());
  }
  return integers;
}

const FormatType& type_of(const std::string& name, const Json& description, const Complaint& complaint) {
  const auto found = description.find("dtype");
  if (found == description.end() || !found->is_string()) {
    complaint.about_tensor(name, "'dtype' is missing or no string");
  }
  const auto& word = found->get_ref<const std::string&>();
  const auto* const known = std::ranges::find(kFormatTypes, word, &FormatType::name);
  if (known == kFormatTypes.end()) {
    complaint.about_tensor(name, fmt::format("dtype '{}' is unknown to the format", printable(word, 40)));
  }
  return *known;
}

Shape shape_of(const std::string& name, const Json& description, const Complaint& complaint) {
  const std::vector<std::uint64_t> dimensions = integers_of(name, description, "shape", complaint);
  if (dimensions.size() > kMaxRank) {
    complaint.about_tensor(name, fmt::format("it has {} dimensions, wanted at most {}", dimensions.size(), kMaxRank));
  }
  Shape shape;
  for (const std::uint64_t dimension : dimensions) {
    if (std::cmp_greater(dimension, std::numeric_limits<int>::max())) {
      complaint.about_tensor(name, fmt::format("shape [{}] has a dimension above {}", fmt::join(dimensions, ", "),
                                               std::numeric_limits<int>::max()));
    }
    shape.push_back(static_cast<int>(dimension));
  }
  return shape;
}

/// Bytes of so many elements; whole ones only, and only as many as can be counted.
std::size_t bytes_of(const std::string& name, const Shape& shape, const FormatType& type, const Complaint& complaint) {
  std::uint64_t bits = type.bits;
  for (const int dimension : shape) {
    if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(dimension), &bits)) {
      complaint.about_tensor(
          name, fmt::format("shape {} of {} overflows the count of its bytes", to_string(shape), type.name));
    }
  }
  if (bits % 8 != 0) {
    complaint.about_tensor(name, fmt::format("shape {} of {} does not fill whole bytes", to_string(shape), type.name));
  }
  return static_cast<std::size_t>(bits / 8);
}

Range range_of(const std::string& name, const Json& description, std::size_t data_bytes, std::size_t wanted_bytes,
               const std::string& what, const Complaint& complaint) {
  const std::vector<std::uint64_t> offsets = integers_of(name, description, "data_offsets", complaint);
  if (offsets.size() != 2) {
    complaint.about_tensor(name, fmt::format("'data_offsets' has {} numbers, wanted 2", offsets.size()));
  }
  if (offsets[0] > offsets[1] || offsets[1] > data_bytes) {
    complaint.about_tensor(name, fmt::format("data_offsets [{}, {}] lie outside the {} bytes of data", offsets[0],
                                             offsets[1], data_bytes));
  }
  if (offsets[1] - offsets[0] != wanted_bytes) {
    complaint.about_tensor(name, fmt::format("data_offsets [{}, {}] hold {} bytes, but {} has {}", offsets[0],
                                             offsets[1], offsets[1] - offsets[0], what, wanted_bytes));
  }
  return {static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(offsets[1]), name};
}

/// The ranges must follow each other from the first byte of data to the last: no hole hides anything, no two overlap.
void check_cover(std::vector<Range> ranges, std::size_t data_bytes, const Complaint& complaint) {
  std::ranges::sort(ranges, {}, [](const Range& range) { return std::pair(range.begin, range.end); });
  std::size_t covered = 0;
  for (const Range& range : ranges) {
    if (range.begin != covered) {
      complaint.about_tensor(range.name,
                             fmt::format("its data start at byte {}, wanted {}: {}", range.begin, covered,
                                         range.begin < covered ? "it overlaps another tensor" : "there is a hole"));
    }
    covered = range.end;
  }
  if (covered != data_bytes) {
    complaint.about_file(fmt::format("{} bytes follow the last tensor, wanted none", data_bytes - covered));
  }
}

}  // namespace

std::map<std::string, StoredTensor> read_safetensors(const std::filesystem::path& path) {
  const Complaint complaint(path);
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (!std::filesystem::is_regular_file(status)) {
    complaint.about_file(std::filesystem::exists(status) ? "it is no regular file" : "no such file");
  }
  const auto mapping = std::make_shared<const MappedFile>(path);  // shared by all tensors of the file
  const std::string_view file(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->bytes().size());
  const std::string_view header = header_of(file, complaint);
  const std::byte* const data = mapping->bytes().data() + kLengthBytes + header.size();
  const std::size_t data_bytes = file.size() - kLengthBytes - header.size();

  Json json = parse_json(header, fmt::format("{}: header", path.string()));
  if (const auto metadata = json.find("__metadata__"); metadata != json.end()) {
    check_metadata(*metadata, complaint);
    json.erase(metadata);
  }
  if (json.size() > kMaxTensors) {
    complaint.about_file(fmt::format("it has {} tensors, wanted at most {}", json.size(), kMaxTensors));
  }

  std::map<std::string, StoredTensor> tensors;
  std::vector<Range> ranges;
  for (const auto& [name, description] : json.items()) {
    if (name.size() > kMaxNameBytes) {
      complaint.about_tensor(name, fmt::format("its name has {} bytes, wanted at most {}", name.size(), kMaxNameBytes));
    }
    if (!description.is_object()) {
      complaint.about_tensor(name, "its description is no JSON object");
    }
    const FormatType& type = type_of(name, description, complaint);
    Shape shape = shape_of(name, description, complaint);
    const std::size_t bytes = bytes_of(name, shape, type, complaint);
    const std::string what = fmt::format("shape {} of {}", to_string(shape), type.name);
    ranges.push_back(range_of(name, description, data_bytes, bytes, what, complaint));

    StoredTensor& stored = tensors[name];
    stored.dtype = type.name;
    stored.supported = type.dtype.has_value();
    stored.tensor.shape = std::move(shape);
    stored.tensor.dtype = type.dtype.value_or(DType::kUInt8);
    stored.tensor.data = data + ranges.back().begin;
    stored.tensor.owner = mapping;
    stored.tensor.file = mapping.get();
  }
  check_cover(std::move(ranges), data_bytes, complaint);
  return tensors;
}

}  // namespace mlxe
