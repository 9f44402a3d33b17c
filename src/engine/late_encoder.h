// LateEncoder: texts to one vector for each token, with a late-interaction model.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch_runner.h"
#include "engine/loader.h"
#include "mlxe/options.h"
#include "mlxe/output.h"

namespace mlxe {

/// What Engine::multi_vector does, on any backend. A view of the loaded model; callable from many threads.
class LateEncoder {
 public:
  /// \throws Error{kUnsupported} if the model gives one vector for a whole text
  explicit LateEncoder(const LoadedModel& loaded);

  /// See Engine::multi_vector.
  [[nodiscard]] std::vector<MultiVector> encode(std::span<const std::string_view> texts,
                                                const EmbedOptions& options) const;

  /// See Engine::multi_vector_ids.
  [[nodiscard]] std::vector<MultiVector> encode_ids(std::span<const TokenRow> rows, const EmbedOptions& options) const;

 private:
  // One call's settings, checked and settled before any work.
  struct Plan {
    const LateInteraction::Side* side = nullptr;
    bool is_query = false;
    std::string front;  // of every text, the prefix's and the prompt's own words
    RunPlan run;
    int fill_to = 0;  // tokens that every text has at least
    int dim = 0;
  };

  [[nodiscard]] Plan plan_for(std::span<const std::string_view> texts, const EmbedOptions& options) const;
  [[nodiscard]] std::vector<Encoding> tokenize(std::span<const std::string_view> texts, const Plan& plan) const;
  [[nodiscard]] int dimensions(const EmbedOptions& options) const;
  [[nodiscard]] Tensor finish(Ops& ops, const Tensor& hidden, int dim, Normalize normalize) const;
  [[nodiscard]] bool counts(std::int32_t id, const Plan& plan) const;

  const LoadedModel& loaded_;  // outlives this object
  const LateInteraction& late_;
};

}  // namespace mlxe
