// WeightMap: the tensors of a checkpoint by name, each to be taken exactly once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"
#include "weights/quantization_method.h"
#include "weights/quantized.h"
#include "weights/stored_tensor.h"

namespace mlxe {

/// Maps a checkpoint's name to the model's own ("bert.encoder..." -> "encoder..."); nothing: the tensor is not wanted.
using NameRule = std::function<std::optional<std::string>(std::string_view name)>;

/// What becomes of quantised weights when they are taken.
struct WeightMapOptions {
  QuantizationConfig quantization = {};
  CheckpointTranslator translate = {};  ///< of another library's packed tensors
  bool expand_quantized = false;        ///< give them as float32
};

/// Opened on a folder, read by a model's constructor, closed with finish().
/// What is wrong is collected, so that one error can list all of it.
class WeightMap {
 public:
  /// Reads model.safetensors, or the shards that model.safetensors.index.json lists (all missing ones in one error).
  /// X.scales and X.biases of a quantised layer belong to X.weight, whatever the rule makes of its name.
  /// \param folder  a model's, or one of its parts: "2_Dense"
  /// \throws Error{kCorruptModel} for a file that breaks a rule of the format, Error{kUnsupported} for a folder that
  ///         holds only pickled weights
  explicit WeightMap(const std::filesystem::path& folder, const NameRule& rule = {}, WeightMapOptions options = {});
  /// The tensors that somebody read already.
  /// \param source  where from, for messages
  WeightMap(const std::filesystem::path& source, Checkpoint checkpoint, const NameRule& rule, WeightMapOptions options);

  /// The tensor `name`, of exactly this shape and float32, float16, bfloat16 or quantised. If it is absent or does not
  /// fit, the problem is noted and the result has the wanted shape but no data. Its data may start at any byte.
  /// \throws Error{kInternal} if it was taken before
  [[nodiscard]] HostTensor take(std::string_view name, const Shape& shape);
  /// The integers of `name`, int32 or int64, exactly `count` of them and each in [0, limit). If they are absent or do
  /// not fit, the problem is noted and the result is zeros.
  /// \throws Error{kInternal} if it was taken before
  [[nodiscard]] std::vector<std::int32_t> take_indices(std::string_view name, int count, int limit);
  /// take(), or nothing if there is no such tensor.
  [[nodiscard]] std::optional<HostTensor> take_if_present(std::string_view name, const Shape& shape);
  /// As take(), for a second user of a tensor that somebody takes: tied weights.
  [[nodiscard]] HostTensor borrow(std::string_view name, const Shape& shape);
  [[nodiscard]] bool has(std::string_view name) const;
  /// Shape of a tensor's elements, if it is there; does not take it.
  [[nodiscard]] std::optional<Shape> shape_of(std::string_view name) const;

  /// What becomes of a tensor when it is taken: gets it as the checkpoint has it (but never
  /// quantised), gives one of the same shape.
  using Amendment = std::function<HostTensor(const HostTensor& tensor)>;
  /// A second one for the same tensor is noted as a problem.
  /// \throws Error{kInternal} if there is no such tensor
  void amend(std::string_view name, Amendment amendment);
  /// Puts a tensor in the place of the files', or beside them if they lack it.
  void put(std::string_view name, const HostTensor& tensor);

  /// Tensors whose names begin so may be left over: heads of other tasks.
  void allow_unused(std::string_view prefix);

  /// \throws Error{kCorruptModel} listing all missing, misfit and left-over tensors with wanted and found shapes
  void finish() const;

  /// Elements of all floating-point or quantised tensors but those that may be left over and are.
  [[nodiscard]] std::size_t num_parameters() const;
  /// Of the largest tensor that was taken: "float32", "4-bit affine, groups of 64"; empty if there is none.
  [[nodiscard]] std::string type_of_largest() const;
  /// The floating-point type of the largest tensor that has one and was taken: its own, or that of a quantised one's
  /// scales. float32 if there is none.
  [[nodiscard]] DType float_type() const;
  /// What was expanded to float32 as it was taken because no kernel has its form, with what that costs in memory; one
  /// line for each form.
  [[nodiscard]] std::vector<std::string> expansions() const;

 private:
  struct Expansion {
    std::size_t num_tensors = 0;
    std::size_t bytes_before = 0;
    std::size_t bytes_after = 0;
  };
  struct Entry {
    std::string checkpoint_name;
    StoredTensor stored;
    Amendment amendment = {};
    std::optional<StoredTensor> scales = {};  // of a quantised weight
    std::optional<StoredTensor> biases = {};
  };
  struct Misfit {
    std::string name;
    std::string reason;
  };
  [[nodiscard]] bool is_used(std::string_view name) const;
  [[nodiscard]] HostTensor find(std::string_view name, const Shape& shape);
  [[nodiscard]] std::string shown_name(std::string_view name) const;
  [[nodiscard]] std::optional<QuantizationFormat> format_of(std::string_view name, const Entry& entry) const;
  [[nodiscard]] Shape shape_of(std::string_view name, const Entry& entry) const;
  [[nodiscard]] HostTensor take_decoded(std::string_view name, const Entry& entry);
  [[nodiscard]] std::optional<HostTensor> take_quantized(std::string_view name, const Entry& entry, const Shape& shape);

  std::filesystem::path folder_;
  WeightMapOptions options_;
  std::map<std::string, Entry, std::less<>> entries_;  // by the model's name
  std::set<std::string, std::less<>> taken_;
  std::vector<std::string> unused_prefixes_;
  std::set<std::string, std::less<>> expanded_;
  std::map<std::string, Expansion> expansions_;  // by form
  std::vector<Misfit> missing_;
  std::vector<Misfit> misfits_;
};

}  // namespace mlxe
