// Static embeddings: a vector for each token and nothing else, of model2vec and of StaticEmbedding in
// sentence-transformers. Source: sentence_transformers/sentence_transformer/modules/static_embedding.py
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/architecture.h"
#include "models/shared/host_tensor.h"
#include "models/shared/take_weights.h"
#include "nn/last_layer.h"

namespace mlxe {
namespace {

// There is no limit; this is what keeps one text's activations within a few gigabytes.
constexpr int kMaxTokens = 1 << 20;

class Model2Vec final : public Model {
 public:
  Model2Vec(WeightMap& weights, Backend& backend) {
    const std::optional<Shape> shape = weights.shape_of("embeddings");
    if (!shape || shape->size() != 2 || (*shape)[0] < 1 || (*shape)[1] < 1) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("the table 'embeddings' (or 'embedding.weight') is {}, wanted [tokens, width]",
                              shape ? "of shape " + to_string(*shape) : "absent"));
    }
    int num_tokens = (*shape)[0];
    if (const std::optional<Shape> mapping = weights.shape_of("mapping")) {
      num_tokens = mapping->empty() ? 0 : mapping->front();
      row_of_token_ = weights.take_indices("mapping", num_tokens, (*shape)[0]);
    }
    if (const auto factors = weights.take_if_present("weights", {num_tokens})) {
      factor_of_token_ = to_floats(*factors);
    }
    table_ = backend.embedding_table(weights.take("embeddings", *shape));
    traits_ = {.hidden_size = (*shape)[1], .max_positions = kMaxTokens, .vocab_size = num_tokens};
  }

  const ModelTraits& traits() const override { return traits_; }

  Tensor forward(Ops& ops, const PackedBatch& batch, const TokenChoice& wanted) const override {
    const auto of_tokens = [&](const auto& values) {
      std::remove_cvref_t<decltype(values)> picked;
      picked.reserve(batch.token_ids.size());
      for (const std::int32_t id : batch.token_ids) {
        picked.push_back(values[static_cast<std::size_t>(id)]);
      }
      return picked;
    };
    const std::vector<std::int32_t> rows = row_of_token_.empty() ? batch.token_ids : of_tokens(row_of_token_);
    const Tensor vectors = ops.gather_sum(std::array{Lookup{&table_, rows}});
    if (factor_of_token_.empty()) {
      return chosen_rows(ops, vectors, wanted);
    }
    // Each token times a factor of its own: added to zeros.
    std::vector<std::int32_t> all(rows.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<std::int32_t>(i);
    }
    return chosen_rows(ops, ops.add_rows(ops.scale(vectors, 0.0F), vectors, all, of_tokens(factor_of_token_)), wanted);
  }

 private:
  ModelTraits traits_;
  EmbeddingTable table_;
  std::vector<std::int32_t> row_of_token_;  // [vocab_size], or empty: each token its own
  std::vector<float> factor_of_token_;      // [vocab_size], or empty: all 1
};

}  // namespace

std::unique_ptr<Model> make_model2vec(const JsonFields& /*config*/, WeightMap& weights, Backend& backend,
                                      const HeadSpec& head) {
  if (head.kind != HeadKind::kNone) {
    throw Error(ErrorCode::kUnsupported, "static embeddings have no head, only vectors");
  }
  return std::make_unique<Model2Vec>(weights, backend);
}

std::optional<std::string> model2vec_weight_name(std::string_view checkpoint_name) {
  return std::string(checkpoint_name == "embedding.weight" ? "embeddings" : checkpoint_name);
}

}  // namespace mlxe
