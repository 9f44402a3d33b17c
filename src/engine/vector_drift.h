// How far a model's vectors moved: the cosines between two models' vectors of the same texts.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "mlxe/output.h"

namespace mlxe {

struct VectorDrift {
  double min_cosine = 1;
  double mean_cosine = 1;
};

/// Some twenty short texts: languages, numbers, code, a long one.
[[nodiscard]] std::vector<std::string> built_in_texts();

/// The texts' vectors in fp32, without the checkpoint's head.
[[nodiscard]] Embeddings vectors_of(const std::filesystem::path& folder, std::span<const std::string> texts,
                                    int threads);

/// \param before, after  vectors of the same texts
[[nodiscard]] VectorDrift drift_between(const Embeddings& before, const Embeddings& after);

}  // namespace mlxe
