// A TextEncoder for a TinyModel on the scalar backend.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/text_encoder.h"
#include "support/scalar_backend.h"
#include "support/tiny_model.h"

namespace mlxe::testing {

using Texts = std::vector<std::string_view>;

inline LoadedModel load(const TinyModel& tiny, const LoadOptions& options = {}, int threads = 1,
                        std::size_t batch_tokens = 64) {
  return load_model(tiny.write(), options, std::make_unique<ScalarBackend>(threads, batch_tokens));
}

inline TextEncoder encoder(const TinyModel& tiny, const LoadOptions& options = {}, int threads = 1,
                           std::size_t batch_tokens = 64) {
  return TextEncoder(load(tiny, options, threads, batch_tokens));
}

inline std::vector<float> row(const Embeddings& embeddings, std::size_t index) {
  const std::span<const float> values = embeddings.row(index);
  return {values.begin(), values.end()};
}

}  // namespace mlxe::testing
