// Reading a GGUF file: metadata and tensors, each number of its header checked before it is used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/files.h"
#include "tensor/tensor.h"

namespace mlxe {

/// An element type of ggml: blocks of so many elements in so many bytes.
struct GgmlType {
  std::uint32_t id;
  std::string_view name;  ///< "Q4_K"
  std::uint32_t block_size;
  std::uint32_t block_bytes;
};

struct GgufTensor {
  const GgmlType* type = nullptr;
  Shape shape;  ///< as everywhere here: the last dimension is that of a row
  const std::byte* data = nullptr;
  std::size_t num_bytes = 0;
};

/// Integers of every width, floats of both, lists of them; a list of truth values is one of integers.
using GgufValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>,
                               std::vector<std::string>>;

/// The contents of one file; tensors are views of `mapping`.
class GgufFile {
 public:
  /// \throws Error{kCorruptModel} naming the file, the key or tensor and the rule that is broken; Error{kUnsupported}
  ///         for a version or an element type that is unknown, or the bytes of big-endian machines
  /// Source: the format's description in docs/gguf.md of github.com/ggml-org/ggml
  explicit GgufFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::shared_ptr<const MappedFile>& mapping() const { return mapping_; }
  [[nodiscard]] const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  [[nodiscard]] bool has(const std::string& key) const { return values_.contains(key); }

  // The value of a key, or nothing if it is absent; Error{kCorruptModel} if it has another type.
  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(const std::string& key) const;
  [[nodiscard]] std::optional<double> number(const std::string& key) const;
  [[nodiscard]] std::optional<bool> boolean(const std::string& key) const;
  [[nodiscard]] const std::vector<std::string>* texts(const std::string& key) const;
  [[nodiscard]] const std::vector<std::int64_t>* integers(const std::string& key) const;
  [[nodiscard]] const std::vector<double>* numbers(const std::string& key) const;

 private:
  [[nodiscard]] const GgufValue* find(const std::string& key) const;
  [[noreturn]] void wrong_type(const std::string& key, std::string_view wanted) const;
  template <typename Value>
  [[nodiscard]] const Value* list(const std::string& key, std::string_view wanted) const;

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> mapping_;  // shared by all tensors that lie in it
  std::map<std::string, GgufValue> values_;
  std::map<std::string, GgufTensor> tensors_;
};

}  // namespace mlxe
