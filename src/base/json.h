// Strict reading of JSON configuration: UTF-8, no duplicate keys, bounded depth and size, errors that name the key.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mlxe {

using Json = nlohmann::json;

/// \param what  names the text in errors: a path, or "header of model.safetensors"
/// \throws Error{kCorruptModel} on a syntax error, invalid UTF-8, a duplicate key, or nesting deeper than 64
[[nodiscard]] Json parse_json(std::string_view text, std::string_view what);

/// \throws Error{kCorruptModel} as above, if the file is missing or larger than 50 MB
[[nodiscard]] Json load_json(const std::filesystem::path& path);

/// load_json, or nothing if there is no such file.
[[nodiscard]] std::optional<Json> load_json_if_present(const std::filesystem::path& path);

/// The fields of one JSON object, with errors that name file and key.
/// Absent and null are the same: many published configurations write null for "default".
class JsonFields {
 public:
  /// \throws Error{kCorruptModel} if `object` is no object
  JsonFields(Json object, std::string what);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] const Json& at(std::string_view key) const;  ///< throws Error{kCorruptModel} if absent

  // Each throws Error{kCorruptModel} if the value has another type or lies outside [min, max];
  // the forms without a fallback also if it is absent.
  [[nodiscard]] int integer(std::string_view key, int min, int max) const;
  [[nodiscard]] int integer(std::string_view key, int min, int max, int fallback) const;
  [[nodiscard]] double number(std::string_view key, double min, double max) const;
  [[nodiscard]] double number(std::string_view key, double min, double max, double fallback) const;
  [[nodiscard]] bool boolean(std::string_view key, bool fallback) const;
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::string text(std::string_view key, std::string_view fallback) const;

  [[nodiscard]] const std::string& what() const { return what_; }
  [[nodiscard]] const Json& json() const { return object_; }

 private:
  [[nodiscard]] const Json* find(std::string_view key) const;

  Json object_;
  std::string what_;
};

/// The fields of a file, named by its path; nothing if there is no such file.
/// \throws Error{kCorruptModel} as load_json, or if it holds no object
[[nodiscard]] std::optional<JsonFields> load_fields_if_present(const std::filesystem::path& path);

}  // namespace mlxe
