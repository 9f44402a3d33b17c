// PackedLayer: the tensors that another library's quantisation made of one weight, taken out of a checkpoint by name.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weights/stored_tensor.h"

namespace mlxe {

class PackedLayer {
 public:
  /// \param form  what the layer is, for messages: "GPTQ"
  PackedLayer(std::string path, std::string form, Checkpoint& checkpoint);

  /// Takes path + "." + part out of the checkpoint.
  [[nodiscard]] std::optional<StoredTensor> take(std::string_view part);
  /// \throws Error{kCorruptModel} if it is absent, has another type than one of these, or not `rank` dimensions
  [[nodiscard]] StoredTensor need(std::string_view part, std::initializer_list<std::string_view> dtypes,
                                  std::size_t rank);
  /// As need(), or nothing if it is absent.
  [[nodiscard]] std::optional<StoredTensor> take_if_present(std::string_view part,
                                                            std::initializer_list<std::string_view> dtypes,
                                                            std::size_t rank);
  /// \throws Error{kCorruptModel} if it has another shape
  void check_shape(std::string_view part, const StoredTensor& stored, const Shape& wanted) const;
  [[noreturn]] void refuse(std::string_view part, std::string_view text) const;  ///< "tensor 'path.part' ..."

  /// Puts path.weight into the checkpoint.
  /// \param form  "4-bit GPTQ, groups of 128"
  void put_weight(const Shape& shape, std::string form, std::size_t packed_bytes, std::function<HostTensor()> decode);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string form_;
  Checkpoint& checkpoint_;
};

/// "x" of each "x<ending>".
[[nodiscard]] std::vector<std::string> layers_with(const Checkpoint& checkpoint, std::string_view ending);

/// Bytes that the file has for a tensor, of any type of safetensors.
[[nodiscard]] std::size_t stored_bytes(const StoredTensor& stored);

/// The integers of a tensor of type I32 or I64, each in [0, limit).
/// \throws what `refuse` does for others
[[nodiscard]] std::vector<int> integers_of(const StoredTensor& stored, int limit,
                                           const std::function<void(std::string_view)>& refuse);

/// Codes of `bits` bits out of rows of words, low bits first: [rows, columns]. A row has `row_words` words.
[[nodiscard]] std::vector<int> unpacked_codes(const HostTensor& words, int rows, int columns, int bits, int row_words);

/// [rows, columns] to [columns, rows].
[[nodiscard]] std::vector<std::uint32_t> transposed_words(const std::byte* words, int rows, int columns);
[[nodiscard]] std::vector<float> transposed(const std::vector<float>& values, int rows, int columns);
[[nodiscard]] std::vector<int> transposed(const std::vector<int>& values, int rows, int columns);

}  // namespace mlxe
