// The JSON object that describes a set of vectors, as the seed's command line prints it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mlxe/output.h"

namespace mlxe::cli {

struct ResultFacts {
  std::string model;           ///< as the user named it
  std::string resolved_model;  ///< after aliases
  std::size_t rows = 0;
  int dim = 0;
  std::string fingerprint;
};

/// {model, resolved_model, shape, dtype, fingerprint[, embeddings]}, indented by two, with a final newline.
/// \param embeddings  null leaves the vectors out
[[nodiscard]] std::string result_json(const ResultFacts& facts, const Embeddings* embeddings);

/// The same for texts with one vector for each token: `shape` counts the vectors of all texts, `texts` the texts.
[[nodiscard]] std::string result_json(const ResultFacts& facts, std::size_t texts,
                                      const std::vector<MultiVector>* embeddings);

}  // namespace mlxe::cli
