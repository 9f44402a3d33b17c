// JSON into nlohmann's values, through a reader of events that refuses what configuration must not hold.
#include "base/json.h"

#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/files.h"
#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxFileBytes = 50'000'000;

/// Builds the value event by event. nlohmann's own builder keeps the last of duplicate keys and nests without limit;
/// its callback form, which could refuse both, searches the whole parent after each child.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(std::string_view what) : what_(what) {}

  [[nodiscard]] Json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*digits*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON text has none
  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto& members = open_.back()->get_ref<Json::object_t&>();
    const auto [member, is_new] = members.try_emplace(std::move(name));
    if (!is_new) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: key '{}' appears twice in one object", what_, printable(member->first, 100)));
    }
    member_ = &member->second;
    return true;
  }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    std::string_view reason = error.what();
    const std::size_t tag_end = reason.find("] ");  // of "[json.exception.parse_error.101] "
    reason.remove_prefix(tag_end == std::string_view::npos ? 0 : tag_end + 2);
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: not valid JSON: {}", what_, printable(reason, 300)));
  }

 private:
  /// Puts a value in its place: the root, the member whose key came last, or the end of the open array.
  Json& place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return root_;
    }
    if (open_.back()->is_array()) {
      auto& elements = open_.back()->get_ref<Json::array_t&>();
      return elements.emplace_back(std::move(value));
    }
    *member_ = std::move(value);
    return *member_;
  }

  bool add(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (open_.size() == kMaxDepth) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: nested deeper than {} levels", what_, kMaxDepth));
    }
    open_.push_back(&place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string what_;
  Json root_;
  std::vector<Json*> open_;  // from the root to the innermost container
  Json* member_ = nullptr;   // where the value of the last key goes
};

std::string describe(const Json& value) {
  if (value.is_structured()) {
    return value.is_array() ? "an array" : "an object";
  }
  return printable(value.dump(), 100);
}

/// "an integer from 1 to 12", or without the bounds that exclude nothing.
template <typename Number>
std::string describe_range(std::string_view kind, Number min, Number max) {
  const bool has_min = min > std::numeric_limits<Number>::lowest();
  const bool has_max = max < std::numeric_limits<Number>::max();
  if (has_min && has_max) {
    return fmt::format("{} from {} to {}", kind, min, max);
  }
  if (has_min) {
    return fmt::format("{} of at least {}", kind, min);
  }
  return has_max ? fmt::format("{} of at most {}", kind, max) : std::string(kind);
}

[[noreturn]] void throw_wrong_value(const std::string& what, std::string_view key, const Json& found,
                                    std::string_view wanted) {
  throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' is {}, wanted {}", what, key, describe(found), wanted));
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
  // nlohmann takes a NUL byte for the end of the text and would never see what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: not valid JSON: byte {} is NUL", what, nul));
  }
  Builder builder(what);
  Json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Json load_json(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: no such file", path.string()));
  }
  if (!error && size > kMaxFileBytes) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: it has {} bytes, wanted at most {}", path.string(), size, kMaxFileBytes));
  }
  return parse_json(read_file(path, kMaxFileBytes), path.string());
}

std::optional<Json> load_json_if_present(const std::filesystem::path& path) {
  // A link whose target is gone is there: a damaged cache must not pass for a model without the file.
  std::error_code error;
  if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) {
    return std::nullopt;
  }
  return load_json(path);
}

JsonFields::JsonFields(Json object, std::string what) : object_(std::move(object)), what_(std::move(what)) {
  if (!object_.is_object()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: found {}, wanted a JSON object", what_, describe(object_)));
  }
}

const Json* JsonFields::find(std::string_view key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonFields::has(std::string_view key) const {
  return find(key) != nullptr;
}

const Json& JsonFields::at(std::string_view key) const {
  const Json* const found = find(key);
  if (found == nullptr) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' is missing", what_, key));
  }
  return *found;
}

int JsonFields::integer(std::string_view key, int min, int max) const {
  const Json& value = at(key);
  // Unsigned first: a number above the signed range would turn negative.
  const bool fits =
      value.is_number_unsigned()
          ? std::cmp_less_equal(min, value.get<std::uint64_t>()) && std::cmp_less_equal(value.get<std::uint64_t>(), max)
          : value.is_number_integer() && min <= value.get<std::int64_t>() && value.get<std::int64_t>() <= max;
  if (!fits) {
    throw_wrong_value(what_, key, value, describe_range("an integer", min, max));
  }
  return value.get<int>();
}

int JsonFields::integer(std::string_view key, int min, int max, int fallback) const {
  return has(key) ? integer(key, min, max) : fallback;
}

double JsonFields::number(std::string_view key, double min, double max) const {
  const Json& value = at(key);
  if (!value.is_number() || value.get<double>() < min || value.get<double>() > max) {
    throw_wrong_value(what_, key, value, describe_range("a number", min, max));
  }
  return value.get<double>();
}

double JsonFields::number(std::string_view key, double min, double max, double fallback) const {
  return has(key) ? number(key, min, max) : fallback;
}

bool JsonFields::boolean(std::string_view key, bool fallback) const {
  const Json* const value = find(key);
  if (value == nullptr) {
    return fallback;
  }
  if (!value->is_boolean()) {
    throw_wrong_value(what_, key, *value, "true or false");
  }
  return value->get<bool>();
}

std::string JsonFields::text(std::string_view key) const {
  const Json& value = at(key);
  if (!value.is_string()) {
    throw_wrong_value(what_, key, value, "a string");
  }
  return value.get<std::string>();
}

std::string JsonFields::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::optional<JsonFields> load_fields_if_present(const std::filesystem::path& path) {
  std::optional<Json> json = load_json_if_present(path);
  return json ? std::optional<JsonFields>(std::in_place, *std::move(json), path.string()) : std::nullopt;
}

}  // namespace mlxe
