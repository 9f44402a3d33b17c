// TinyDecoder: a random checkpoint with Llama's names, for one test to bend, and loading it on the scalar backend.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/architecture.h"
#include "support/scalar_backend.h"
#include "support/scalar_tensors.h"
#include "support/tiny_model.h"

namespace mlxe::testing {

struct TinyDecoder {
  nlohmann::json config = {{"model_type", "llama"},       {"vocab_size", 12},       {"hidden_size", 8},
                           {"intermediate_size", 6},      {"num_hidden_layers", 2}, {"num_attention_heads", 2},
                           {"num_key_value_heads", 1},    {"head_dim", 4},          {"max_position_embeddings", 32},
                           {"tie_word_embeddings", true}, {"rope_theta", 10000.0}};
  std::map<std::string, FloatTensor> tensors;
  TemporaryFolder folder;

  explicit TinyDecoder(const std::string& model_type = "llama") {
    config["model_type"] = model_type;
    add("embed_tokens", {12, 8});
    add("norm", {8});
    for (const std::string layer : {"layers.0.", "layers.1."}) {
      add(layer + "self_attn.q_proj", {8, 8});
      add(layer + "self_attn.k_proj", {4, 8});
      add(layer + "self_attn.v_proj", {4, 8});
      add(layer + "self_attn.o_proj", {8, 8});
      add(layer + "mlp.gate_proj", {6, 8});
      add(layer + "mlp.up_proj", {6, 8});
      add(layer + "mlp.down_proj", {8, 6});
      add(layer + "input_layernorm", {8});
      add(layer + "post_attention_layernorm", {8});
    }
  }

  /// A random tensor NAME.weight.
  void add(const std::string& name, std::vector<int> shape) {
    tensors[name + ".weight"] = random_tensor(std::move(shape), static_cast<std::uint32_t>(tensors.size() + 1));
  }

  /// The model as it is now; every weight must have its place.
  [[nodiscard]] std::unique_ptr<Model> make(const HeadSpec& head = {}) { return make_on(backend_, head); }

  [[nodiscard]] std::unique_ptr<Model> make_on(Backend& backend, const HeadSpec& head = {}) {
    folder.write("model.safetensors", to_safetensors(tensors));
    const Architecture& architecture = find_architecture(config.at("model_type").get<std::string>());
    WeightMap weights(folder.path(), architecture.weight_name);
    std::unique_ptr<Model> model = architecture.make(JsonFields(config, "config.json"), weights, backend, head);
    weights.finish();
    return model;
  }

 private:
  ScalarBackend backend_;
};

/// One row of these ids.
inline PackedBatch row_of(std::vector<std::int32_t> ids) {
  PackedBatch batch;
  batch.offsets.push_back(static_cast<std::int32_t>(ids.size()));
  batch.type_ids.resize(ids.size());
  batch.token_ids = std::move(ids);
  return batch;
}

}  // namespace mlxe::testing
