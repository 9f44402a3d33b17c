// The bytes of small GGUF files, whole or broken on purpose.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace mlxe::testing {

/// Puts a file together piece by piece; nothing is checked.
class GgufBytes {
 public:
  template <typename Number>
  static std::string bytes_of(Number number) {
    std::string bytes(sizeof(number), '\0');
    std::memcpy(bytes.data(), &number, sizeof(number));
    return bytes;
  }
  static std::string bytes_of_text(std::string_view text) { return bytes_of(std::uint64_t{text.size()}).append(text); }

  /// A value of the metadata: its type and its bytes.
  GgufBytes& value(std::string_view key, std::uint32_t type, const std::string& bytes) {
    values_ += bytes_of_text(key) + bytes_of(type) + bytes;
    ++num_values;
    return *this;
  }
  GgufBytes& text(std::string_view key, std::string_view value_text) {
    return value(key, 8, bytes_of_text(value_text));
  }
  GgufBytes& integer(std::string_view key, std::uint32_t number) { return value(key, 4, bytes_of(number)); }
  GgufBytes& number(std::string_view key, float number_value) { return value(key, 6, bytes_of(number_value)); }
  GgufBytes& texts(std::string_view key, const std::vector<std::string>& list) {
    std::string bytes = bytes_of(std::uint32_t{8}) + bytes_of(std::uint64_t{list.size()});
    for (const std::string& entry : list) {
      bytes += bytes_of_text(entry);
    }
    return value(key, 9, bytes);
  }

  /// A tensor that begins where the data end so far, at the next multiple of 32.
  /// \param dimensions  that of a row first, as in the file
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type) {
    data_.resize((data_.size() + 31) / 32 * 32);
    return tensor_at(name, dimensions, type, data_.size());
  }
  GgufBytes& tensor_at(std::string_view name, const std::vector<std::uint64_t>& dimensions, std::uint32_t type,
                       std::uint64_t offset) {
    infos_ += bytes_of_text(name) + bytes_of(static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t dimension : dimensions) {
      infos_ += bytes_of(dimension);
    }
    infos_ += bytes_of(type) + bytes_of(offset);
    ++num_tensors;
    return *this;
  }
  GgufBytes& data(std::string_view bytes) {
    data_.append(bytes);
    return *this;
  }
  GgufBytes& data(float number) { return data(bytes_of(number)); }

  [[nodiscard]] std::string str() const {
    std::string bytes = magic + bytes_of(version) + bytes_of(num_tensors) + bytes_of(num_values) + values_ + infos_;
    if (num_tensors > 0) {
      bytes.resize((bytes.size() + 31) / 32 * 32);
    }
    return bytes + data_;
  }

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t num_tensors = 0;
  std::uint64_t num_values = 0;

 private:
  std::string values_;
  std::string infos_;
  std::string data_;
};

}  // namespace mlxe::testing
