// Streaming a planned conversion into weight files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "convert/plan.h"
#include "convert/quantize.h"

namespace mlxe {

struct WriteOptions {
  std::size_t max_shard_bytes = 5ULL << 30U;
  int threads = 1;
  /// Called between pieces with the bytes of the checkpoint that are done; may throw to stop.
  std::function<void(std::size_t done_bytes)> on_progress = {};
};

struct WrittenFile {
  std::string name;
  std::size_t bytes = 0;
  std::string sha256;
};

struct WrittenLayer {
  std::string path;
  QuantizationFormat format;
  std::size_t num_parameters = 0;
  QuantizationError error;
};

struct WrittenWeights {
  std::vector<WrittenFile> files;
  std::vector<WrittenLayer> layers;      ///< that were quantised
  std::vector<std::string> overflowing;  ///< tensors with numbers that the new type cannot hold: infinite now
  std::size_t tensor_bytes = 0;
};

/// Writes model.safetensors, or model-00001-of-0000N.safetensors, and model.safetensors.index.json. Pieces of a few
/// megabytes are converted by `threads` threads while the ones before are written, so memory does not grow with the
/// model; the same bytes for any number of threads.
/// \throws Error{kIo}; Error{kInvalidInput} for a layer that has no codes (infinity, NaN)
[[nodiscard]] WrittenWeights write_weights(const ConversionPlan& plan, const std::filesystem::path& folder,
                                           const WriteOptions& options);

}  // namespace mlxe
