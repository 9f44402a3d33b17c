// WeightMap: who took what, and the one table of everything that does not fit.
#include "weights/weight_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/checkpoint_files.h"

namespace mlxe {
namespace {

constexpr std::size_t kMaxNameBytes = 120;  // of a name in a message
constexpr std::string_view kWeight = ".weight";
constexpr std::size_t kMaxLines = 15;  // per kind of problem, so that none hides the others

/// "F16" in our words; the file's own word where DType has none.
std::string dtype_of(const StoredTensor& stored) {
  return stored.supported ? std::string(to_string(stored.tensor.dtype)) : stored.dtype;
}

/// "x.weight" -> "x"; nothing if it ends otherwise.
std::optional<std::string_view> without_ending(std::string_view name, std::string_view ending) {
  return name.ends_with(ending) ? std::optional(name.substr(0, name.size() - ending.size())) : std::nullopt;
}

/// X.scales or X.biases, if `name` is X.weight and has one.
std::optional<StoredTensor> side_of(std::string_view name, std::string_view side, const Checkpoint& checkpoint) {
  const std::optional<std::string_view> path = without_ending(name, kWeight);
  const auto found = path ? checkpoint.find(fmt::format("{}.{}", *path, side)) : checkpoint.end();
  return found == checkpoint.end() ? std::nullopt : std::optional(found->second);
}

/// True for the scales and biases of a weight that is there: they are no tensors of their own.
bool is_side_of_quantized(std::string_view name, const Checkpoint& checkpoint) {
  for (const std::string_view side : {".scales", ".biases"}) {
    if (const std::optional<std::string_view> path = without_ending(name, side)) {
      return checkpoint.contains(fmt::format("{}{}", *path, kWeight)) &&
             checkpoint.contains(fmt::format("{}.scales", *path));
    }
  }
  return false;
}

/// Appends one line per problem, "  missing     name: reason".
template <typename Problems>
void append_lines(std::string& table, std::string_view kind, const Problems& problems) {
  for (std::size_t i = 0; i < std::min(problems.size(), kMaxLines); ++i) {
    table += fmt::format("\n  {:<11} {}: {}", kind, problems[i].name, problems[i].reason);
  }
  if (problems.size() > kMaxLines) {
    table += fmt::format("\n  {:<11} ... and {} more", kind, problems.size() - kMaxLines);
  }
}

}  // namespace

WeightMap::WeightMap(const std::filesystem::path& folder, const NameRule& rule, WeightMapOptions options)
    : WeightMap(folder, read_checkpoint(folder), rule, std::move(options)) {}

WeightMap::WeightMap(const std::filesystem::path& source, Checkpoint checkpoint, const NameRule& rule,
                     WeightMapOptions options)
    : folder_(source), options_(std::move(options)) {
  if (options_.translate) {
    try {
      options_.translate(checkpoint);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("the weights in {}: {}", folder_.string(), error.what()));
    }
  }
  std::map<std::string, Entry> found;  // by the checkpoint's name
  for (auto& [name, stored] : checkpoint) {
    if (!is_side_of_quantized(name, checkpoint)) {
      Entry& entry = found.emplace(name, Entry{.checkpoint_name = name, .stored = stored}).first->second;
      entry.scales = side_of(name, "scales", checkpoint);
      entry.biases = entry.scales ? side_of(name, "biases", checkpoint) : std::nullopt;
    }
  }
  for (auto& [checkpoint_name, entry] : found) {
    std::optional<std::string> name = rule ? rule(checkpoint_name) : checkpoint_name;
    if (!name) {
      continue;
    }
    const auto [place, is_new] = entries_.try_emplace(*std::move(name), std::move(entry));
    if (!is_new) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: tensors '{}' and '{}' are both the model's weight '{}'", folder_.string(),
                              printable(place->second.checkpoint_name, kMaxNameBytes),
                              printable(checkpoint_name, kMaxNameBytes), printable(place->first, kMaxNameBytes)));
    }
  }
}

std::string WeightMap::shown_name(std::string_view name) const {
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.checkpoint_name == name) {
    return printable(name, kMaxNameBytes);
  }
  return fmt::format("{} (in the file: {})", printable(name, kMaxNameBytes),
                     printable(entry->second.checkpoint_name, kMaxNameBytes));
}

HostTensor WeightMap::take(std::string_view name, const Shape& shape) {
  if (!taken_.emplace(name).second) {
    throw Error(ErrorCode::kInternal, fmt::format("weight '{}' was taken twice", name));
  }
  return find(name, shape);
}

std::vector<std::int32_t> WeightMap::take_indices(std::string_view name, int count, int limit) {
  if (!taken_.emplace(name).second) {
    throw Error(ErrorCode::kInternal, fmt::format("weight '{}' was taken twice", name));
  }
  std::vector<std::int32_t> indices(static_cast<std::size_t>(count));
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    missing_.push_back({std::string(name), fmt::format("wanted {}", to_string(Shape{count}))});
    return indices;
  }
  const StoredTensor& stored = found->second.stored;
  const HostTensor& tensor = stored.tensor;
  if (tensor.shape != Shape{count} || !stored.supported ||
      (tensor.dtype != DType::kInt64 && tensor.dtype != DType::kInt32)) {
    misfits_.push_back(
        {shown_name(name), fmt::format("is {} of shape {}, wanted int64 or int32 of shape {}", dtype_of(stored),
                                       to_string(tensor.shape), to_string(Shape{count}))});
    return indices;
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    std::int64_t value = 0;
    if (tensor.dtype == DType::kInt64) {
      std::memcpy(&value, tensor.data + i * sizeof(value), sizeof(value));
    } else {
      std::int32_t narrow = 0;
      std::memcpy(&narrow, tensor.data + i * sizeof(narrow), sizeof(narrow));
      value = narrow;
    }
    if (value < 0 || value >= limit) {
      misfits_.push_back({shown_name(name), fmt::format("has {} at {}, wanted 0 to {}", value, i, limit - 1)});
      return std::vector<std::int32_t>(indices.size());
    }
    indices[i] = static_cast<std::int32_t>(value);
  }
  return indices;
}

HostTensor WeightMap::borrow(std::string_view name, const Shape& shape) {
  return find(name, shape);
}

HostTensor WeightMap::find(std::string_view name, const Shape& shape) {
  const HostTensor nothing{.dtype = DType::kFloat32, .shape = shape, .data = nullptr, .owner = nullptr};
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    missing_.push_back({std::string(name), fmt::format("wanted {}", to_string(shape))});
    return nothing;
  }
  const StoredTensor& stored = found->second.stored;
  if (found->second.scales || (stored.supported && stored.tensor.dtype == DType::kUInt32)) {
    return take_quantized(name, found->second, shape).value_or(nothing);
  }
  if (stored.tensor.shape != shape) {
    misfits_.push_back(
        {shown_name(name), fmt::format("has shape {}, wanted {}", to_string(stored.tensor.shape), to_string(shape))});
    return nothing;
  }
  if (!stored.supported || !is_float(stored.tensor.dtype)) {
    misfits_.push_back(
        {shown_name(name), fmt::format("has dtype {}, wanted float32, float16 or bfloat16", dtype_of(stored))});
    return nothing;
  }
  const HostTensor tensor = stored.decode ? take_decoded(name, found->second) : stored.tensor;
  return found->second.amendment ? found->second.amendment(tensor) : tensor;
}

HostTensor WeightMap::take_decoded(std::string_view name, const Entry& entry) {
  HostTensor tensor = entry.stored.decode();
  if (tensor.quantization != nullptr) {
    return entry.amendment || options_.expand_quantized ? expand(tensor) : tensor;
  }
  // A tied weight is given twice and counts once.
  if (data_bytes(tensor) > entry.stored.packed_bytes && expanded_.emplace(name).second) {
    Expansion& expansion = expansions_[entry.stored.dtype];
    ++expansion.num_tensors;
    expansion.bytes_before += entry.stored.packed_bytes;
    expansion.bytes_after += data_bytes(tensor);
  }
  return tensor;
}

void WeightMap::amend(std::string_view name, Amendment amendment) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    throw Error(ErrorCode::kInternal, fmt::format("weight '{}' cannot be amended: there is none", name));
  }
  if (found->second.amendment) {
    misfits_.push_back({shown_name(name), "is changed twice, wanted one change"});
  }
  found->second.amendment = std::move(amendment);
}

void WeightMap::put(std::string_view name, const HostTensor& tensor) {
  Entry& entry = entries_[std::string(name)];
  entry = {.checkpoint_name = std::string(name), .stored = {.tensor = tensor, .dtype = {}, .supported = true}};
}

std::optional<QuantizationFormat> WeightMap::format_of(std::string_view name, const Entry& entry) const {
  // Converters name a layer as they name its weight, or as they found it.
  const std::string_view checkpoint_name = entry.checkpoint_name;
  const std::string_view path = without_ending(checkpoint_name, kWeight).value_or(checkpoint_name);
  const std::string_view own_path = without_ending(name, kWeight).value_or(name);
  return options_.quantization.lists(path) ? options_.quantization.format_of(path)
                                           : options_.quantization.format_of(own_path);
}

std::optional<HostTensor> WeightMap::take_quantized(std::string_view name, const Entry& entry, const Shape& shape) {
  const std::optional<QuantizationFormat> format = format_of(name, entry);
  if (!format) {
    misfits_.push_back(
        {shown_name(name), fmt::format("is packed ({}), and 'quantization' of config.json {}", dtype_of(entry.stored),
                                       options_.quantization.empty() ? "is missing" : "says it is not")});
    return std::nullopt;
  }
  std::vector<QuantizedMisfit> problems;
  std::optional<HostTensor> tensor =
      assemble({.weight = entry.stored, .scales = entry.scales, .biases = entry.biases}, *format, shape, problems);
  for (const QuantizedMisfit& problem : problems) {
    const std::string_view path = without_ending(name, kWeight).value_or(name);
    misfits_.push_back({problem.tensor == "weight"
                            ? shown_name(name)
                            : fmt::format("{}.{}", printable(path, kMaxNameBytes), problem.tensor),
                        problem.reason});
  }
  if (tensor && entry.amendment) {
    return entry.amendment(expand(*tensor));
  }
  return tensor && options_.expand_quantized ? expand(*tensor) : tensor;
}

std::optional<HostTensor> WeightMap::take_if_present(std::string_view name, const Shape& shape) {
  return has(name) ? std::optional(take(name, shape)) : std::nullopt;
}

bool WeightMap::has(std::string_view name) const {
  return entries_.contains(name);
}

std::optional<Shape> WeightMap::shape_of(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? std::nullopt : std::optional(shape_of(name, found->second));
}

Shape WeightMap::shape_of(std::string_view name, const Entry& entry) const {
  const Shape& stored = entry.stored.tensor.shape;
  const std::optional<QuantizationFormat> format = entry.scales ? format_of(name, entry) : std::nullopt;
  return format ? unpacked_shape(stored, *format).value_or(stored) : stored;
}

void WeightMap::allow_unused(std::string_view prefix) {
  unused_prefixes_.emplace_back(prefix);
}

// Taken, or not yet and wanted.
bool WeightMap::is_used(std::string_view name) const {
  return taken_.contains(name) ||
         std::ranges::none_of(unused_prefixes_, [&](const std::string& prefix) { return name.starts_with(prefix); });
}

void WeightMap::finish() const {
  std::vector<Misfit> unexpected;
  for (const auto& [name, entry] : entries_) {
    if (!taken_.contains(name) && is_used(name)) {
      unexpected.push_back({shown_name(name), fmt::format("{} of shape {}", dtype_of(entry.stored),
                                                          to_string(entry.stored.tensor.shape))});
    }
  }
  if (missing_.empty() && misfits_.empty() && unexpected.empty()) {
    return;
  }
  std::string table = fmt::format("the weights in {} do not fit the model: {} missing, {} misfit, {} unexpected",
                                  folder_.string(), missing_.size(), misfits_.size(), unexpected.size());
  append_lines(table, "missing", missing_);
  append_lines(table, "misfit", misfits_);
  append_lines(table, "unexpected", unexpected);
  throw Error(ErrorCode::kCorruptModel, table);
}

std::size_t WeightMap::num_parameters() const {
  std::size_t count = 0;
  for (const auto& [name, entry] : entries_) {
    if (is_used(name) && (entry.scales || (entry.stored.supported && is_float(entry.stored.tensor.dtype)))) {
      count += num_elements(shape_of(name, entry));
    }
  }
  return count;
}

std::string WeightMap::type_of_largest() const {
  std::string type;
  std::size_t most = 0;
  for (const auto& [name, entry] : entries_) {
    const std::size_t count = num_elements(shape_of(name, entry));
    if (is_used(name) && entry.stored.supported && count > most) {
      most = count;
      const std::optional<QuantizationFormat> format = entry.scales ? format_of(name, entry) : std::nullopt;
      type = format                ? to_string(*format)
             : entry.stored.decode ? entry.stored.dtype
                                   : std::string(to_string(entry.stored.tensor.dtype));
    }
  }
  return type;
}

DType WeightMap::float_type() const {
  DType type = DType::kFloat32;
  std::size_t most = 0;
  for (const auto& [name, entry] : entries_) {
    const StoredTensor& floats = entry.scales ? *entry.scales : entry.stored;
    const bool is_plain = floats.supported && !floats.decode && is_float(floats.tensor.dtype);
    const std::size_t count = num_elements(shape_of(name, entry));
    if (is_plain && is_used(name) && count > most) {
      most = count;
      type = floats.tensor.dtype;
    }
  }
  return type;
}

std::vector<std::string> WeightMap::expansions() const {
  constexpr double kMegabyte = 1e6;
  std::vector<std::string> lines;
  for (const auto& [form, expansion] : expansions_) {
    lines.push_back(
        fmt::format("{} weight(s) of the form {} are expanded to float32 when loaded: {:.1f} MB in place of {:.1f} MB",
                    expansion.num_tensors, form, static_cast<double>(expansion.bytes_after) / kMegabyte,
                    static_cast<double>(expansion.bytes_before) / kMegabyte));
  }
  return lines;
}

}  // namespace mlxe
