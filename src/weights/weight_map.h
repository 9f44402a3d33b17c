// WeightMap: the tensors of a checkpoint by name, each to be taken exactly once.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace mlxe {

/// Maps a checkpoint's name to the model's own ("bert.encoder..." -> "encoder..."); nothing: the tensor is not wanted.
using NameRule = std::function<std::optional<std::string>(std::string_view name)>;

/// Opened on a folder, read by a model's constructor, closed with finish().
/// What is wrong is collected, so that one error can list all of it.
class WeightMap {
 public:
  /// Reads model.safetensors, or the shards that model.safetensors.index.json lists (all missing ones in one error).
  /// \param name  the file's stem: "model"
  /// \throws Error{kCorruptModel} for a file that breaks a rule of the format, Error{kUnsupported} for a folder that
  ///         holds only pickled weights
  explicit WeightMap(const std::filesystem::path& folder, const NameRule& rule = {});

  /// The tensor `name`, of exactly this shape and a floating-point type. If it is absent or misshapen the problem is
  /// noted and the result has no data.
  [[nodiscard]] HostTensor take(std::string_view name, const Shape& shape);
  /// take(), or nothing if there is no such tensor.
  [[nodiscard]] std::optional<HostTensor> take_if_present(std::string_view name, const Shape& shape);
  [[nodiscard]] bool has(std::string_view name) const;
  /// Shape of a tensor, if it is there; does not take it.
  [[nodiscard]] std::optional<Shape> shape_of(std::string_view name) const;

  /// \throws Error{kCorruptModel} listing all missing, misshapen and left-over tensors with wanted and found shapes
  void finish() const;

  [[nodiscard]] std::size_t num_parameters() const;          ///< elements of all floating-point tensors of the model
  [[nodiscard]] std::optional<DType> largest_dtype() const;  ///< type of the largest tensor

 private:
  struct Problem {
    std::string name;
    Shape wanted;
    std::optional<HostTensor> found;
  };
  std::filesystem::path folder_;
  std::map<std::string, HostTensor, std::less<>> tensors_;  // by the model's name
  std::set<std::string, std::less<>> taken_;
  std::vector<Problem> problems_;
};

}  // namespace mlxe
