// What becomes of each tensor of a checkpoint.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/quantization.h"
#include "weights/quantized.h"
#include "weights/safetensors.h"

namespace mlxe {

/// Of families whose activations pass 65504, so that float16 gives infinities.
[[nodiscard]] bool activations_overflow_float16(std::string_view model_type);

enum class TensorAction {
  kCopy,        ///< the bytes as they are
  kCast,        ///< to another floating-point type; what another library packed is decoded first
  kQuantize,    ///< cast, then X.weight, X.scales and maybe X.biases
  kDequantize,  ///< the opposite
};

struct PlannedTensor {
  std::string name;
  StoredTensor stored;
  std::span<const std::byte> bytes = {};  ///< of the stored tensor
  HostTensor packed = {};                 ///< of kDequantize
  TensorAction action = TensorAction::kCopy;
  DType dtype = DType::kFloat32;   ///< what it is cast to; not of kCopy
  QuantizationFormat format = {};  ///< of kQuantize
  std::size_t source_bytes = 0;    ///< all that is read for it
};

/// A tensor as a file will have it.
struct OutputTensor {
  std::string name;
  std::string dtype;  ///< "F16"
  std::vector<std::size_t> shape;
  std::size_t bytes = 0;
};

struct PlanOptions {
  std::optional<DType> dtype = {};  ///< unset: as the checkpoint has it
  /// The format of a layer, by its path; nothing: it stays as it is. Empty: nothing is quantised.
  std::function<std::optional<QuantizationFormat>(std::string_view path)> quantize = {};
  bool dequantize = false;
};

struct ConversionPlan {
  std::vector<PlannedTensor> tensors;  ///< sorted by name
  std::vector<std::string> skipped;    ///< paths of layers whose rows the group does not divide
  std::vector<std::string> messages;   ///< one for each of them, as the seed prints it
};

/// A layer that MLX would hold as Linear or Embedding is what has a two-dimensional X.weight: norms and biases have
/// one dimension, convolutions three or more, and what models keep beside their layers (experts, static tables) is not
/// called "weight". A router is left out: which experts a token goes to turns on small differences.
/// \returns X, or nothing
[[nodiscard]] std::optional<std::string_view> layer_path(std::string_view name, const StoredTensor& stored);

/// \param quantization  what config.json says of the checkpoint
/// \throws Error{kInvalidInput} if it is to be quantised and is already, or to be dequantised and is not;
///         Error{kCorruptModel} for parts of a packed layer that do not fit; Error{kUnsupported} for a type that cannot
///         be cast
[[nodiscard]] ConversionPlan plan_conversion(const std::map<std::string, StoredTensor>& checkpoint,
                                             const QuantizationConfig& quantization, const PlanOptions& options);

/// The one to three tensors that it becomes.
[[nodiscard]] std::vector<OutputTensor> outputs_of(const PlannedTensor& planned);

/// Which file each tensor goes into: a new one whenever the next would pass `max_bytes`.
/// \returns one index for each tensor of the plan
[[nodiscard]] std::vector<std::size_t> assign_shards(const std::vector<PlannedTensor>& tensors, std::size_t max_bytes);

}  // namespace mlxe
