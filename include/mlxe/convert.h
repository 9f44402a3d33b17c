// Converting a model folder: types, MLX's quantised formats and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mlxe/error.h"
#include "mlxe/hub.h"

namespace mlxe {

enum class Severity { kInfo, kWarning };

struct ConvertProgress {
  std::size_t done_bytes = 0;  ///< of the checkpoint that was read
  std::size_t total_bytes = 0;
};

struct ConvertOptions {
  std::string mlx_path = "mlx_model";  ///< the new folder; must not be there yet, or be empty
  bool overwrite = false;              ///< replace a model folder that is there
  /// float16, bfloat16 or float32. Unset: float16, but for families whose activations it cannot hold (Gemma 3) what the
  /// checkpoint has. Applied before quantising.
  std::optional<std::string> dtype = {};

  bool quantize = false;
  std::string q_mode = "affine";           ///< affine, mxfp4, nvfp4, mxfp8
  std::optional<int> q_group_size = {};    ///< unset or 0: the mode's own
  std::optional<int> q_bits = {};          ///< likewise
  std::optional<std::string> recipe = {};  ///< mixed_2_6, mixed_3_4, mixed_3_6, mixed_4_6, as mlx-lm has them
  bool skip_vision = true;                 ///< leave "vision_model" and "vision_tower" as they are
  /// Choose each layer's bits so that the least cosine of the calibration texts' vectors stays at or above it.
  std::optional<double> error_budget = {};
  std::vector<std::string> calibration_texts = {};  ///< empty: built-in ones
  bool measure = false;                             ///< compare the vectors of both models; error_budget does it anyway

  bool dequantize = false;

  HubOptions hub = {};                        ///< of a model that is a name
  std::string command = {};                   ///< how it was asked for; goes into the model card
  int threads = 0;                            ///< 0: as many as this process may use
  std::size_t max_shard_bytes = 5ULL << 30U;  ///< of a weight file
  std::function<void(Severity severity, const std::string& text)> on_message = {};
  /// Called between pieces, from one thread; returning false cancels with Error{kCancelled}.
  std::function<bool(const ConvertProgress&)> on_progress = {};
};

struct QuantizedLayer {
  std::string path;  ///< of its weight in the checkpoint, without ".weight"
  int bits = 0;
  int group_size = 0;
  std::string mode;
  std::size_t num_parameters = 0;
  double relative_error = 0;  ///< |W - Q| / |W|
  double largest_error = 0;
};

struct ConversionReport {
  std::string source;            ///< the folder that was read
  std::string path;              ///< the new one
  std::string dtype;             ///< of what is not quantised; "mixed" if the checkpoint's types were kept
  std::size_t source_bytes = 0;  ///< of the weights
  std::size_t bytes = 0;
  double bits_per_weight = 0;
  std::vector<QuantizedLayer> layers = {};
  std::vector<std::string> skipped = {};  ///< layers whose rows the group does not divide
  std::size_t num_texts = 0;              ///< compared; 0: nothing was
  std::optional<double> min_cosine = {};  ///< of a text's vectors before and after
  std::optional<double> mean_cosine = {};
};

/// Writes a model folder in the form that mlx-community publishes: model*.safetensors with an index, config.json with
/// `quantization`, tokenizer, sentence-transformers modules, a model card and quantization_report.json. Weights pass
/// through piece by piece. The folder appears complete or not at all.
/// \param model  a folder or a name, as Engine::load takes it
/// \throws Error{kInvalidInput} for options that contradict each other, before anything is read; as Engine::load for a
///         model that cannot be read; Error{kIo}
ConversionReport convert_model(const std::string& model, const ConvertOptions& options = {});

/// "affine of 2, 3, ..."; all that convert_model() makes.
[[nodiscard]] std::string quantization_choices();

}  // namespace mlxe
