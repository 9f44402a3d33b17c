// llama.cpp's keys, architecture by architecture. Source: set_gguf_parameters() in conversion/ of
// github.com/ggml-org/llama.cpp, and src/llama-model.cpp for what a missing key means
#include "weights/gguf_config.h"

#include <charconv>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

/// The keys of one architecture, "bert.context_length".
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file), prefix_(file.text("general.architecture").value_or("") + ".") {}

  [[nodiscard]] bool has(const std::string& key) const { return file_.has(prefix_ + key); }
  [[nodiscard]] std::int64_t integer(const std::string& key) const {
    const auto value = file_.integer(prefix_ + key);
    if (!value) {
      missing(key);
    }
    return *value;
  }
  [[nodiscard]] double number(const std::string& key) const {
    const auto value = file_.number(prefix_ + key);
    if (!value) {
      missing(key);
    }
    return *value;
  }
  [[nodiscard]] double number(const std::string& key, double fallback) const {
    return file_.number(prefix_ + key).value_or(fallback);
  }
  [[nodiscard]] std::string text(const std::string& key) const { return file_.text(prefix_ + key).value_or(""); }

  /// Rows of a table.
  [[nodiscard]] int rows(const std::string& tensor) const {
    const auto found = file_.tensors().find(tensor);
    if (found == file_.tensors().end()) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: no tensor '{}'", file_.path().string(), tensor));
    }
    return found->second.shape.size() == 1 ? 1 : found->second.shape[0];
  }
  [[nodiscard]] bool has_tensor(const std::string& name) const { return file_.tensors().contains(name); }
  [[nodiscard]] const GgufFile& file() const { return file_; }

 private:
  [[noreturn]] void missing(const std::string& key) const {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: no '{}{}' in the metadata", file_.path().string(), prefix_, key));
  }

  const GgufFile& file_;
  std::string prefix_;
};

// float32 in the file stands for what config.json had: 1e-12 and not 9.999999960041972e-13.
double written(double value) {
  const std::string digits = fmt::format("{}", static_cast<float>(value));
  double result = 0.0;
  std::from_chars(digits.data(), digits.data() + digits.size(), result);  // whatever the locale
  return result;
}

Json encoder(const Keys& keys, const char* model_type) {
  Json config = {{"model_type", model_type},
                 {"vocab_size", keys.rows("token_embd.weight")},
                 {"hidden_size", keys.integer("embedding_length")},
                 {"num_hidden_layers", keys.integer("block_count")},
                 {"num_attention_heads", keys.integer("attention.head_count")},
                 {"intermediate_size", keys.integer("feed_forward_length")},
                 {"layer_norm_eps", written(keys.number("attention.layer_norm_epsilon"))}};
  if (keys.has_tensor("token_types.weight")) {
    config["type_vocab_size"] = keys.rows("token_types.weight");
  }
  return config;
}

Json bert(const Keys& keys) {
  Json config = encoder(keys, "bert");
  config["max_position_embeddings"] = keys.rows("position_embd.weight");
  return config;
}

Json roberta(const Keys& keys) {
  Json config = encoder(keys, keys.file().text("tokenizer.ggml.model") == "t5" ? "xlm-roberta" : "roberta");
  config["max_position_embeddings"] = keys.rows("position_embd.weight") + 2;
  config["pad_token_id"] = 1;
  return config;
}

Json jina_bert(const Keys& keys) {
  Json config = encoder(keys, "bert");
  config["position_embedding_type"] = "alibi";
  config["feed_forward_type"] = "geglu";
  config["max_position_embeddings"] = keys.integer("context_length");
  return config;
}

Json nomic_bert(const Keys& keys) {
  const auto has_bias = [&](const char* name) { return keys.has_tensor(fmt::format("blk.0.{}.bias", name)); };
  return {{"model_type", "nomic_bert"},
          {"vocab_size", keys.rows("token_embd.weight")},
          {"n_embd", keys.integer("embedding_length")},
          {"n_layer", keys.integer("block_count")},
          {"n_head", keys.integer("attention.head_count")},
          {"n_inner", keys.integer("feed_forward_length")},
          {"n_positions", keys.integer("context_length")},
          {"type_vocab_size", keys.rows("token_types.weight")},
          {"layer_norm_epsilon", written(keys.number("attention.layer_norm_epsilon"))},
          {"activation_function", "swiglu"},
          {"rotary_emb_fraction", 1.0},
          {"rotary_emb_base", written(keys.number("rope.freq_base"))},
          {"qkv_proj_bias", has_bias("attn_qkv")},
          {"mlp_fc1_bias", has_bias("ffn_up")},
          {"mlp_fc2_bias", has_bias("ffn_down")}};
}

Json modern_bert(const Keys& keys) {
  Json config = {{"model_type", "modernbert"},
                 {"vocab_size", keys.rows("token_embd.weight")},
                 {"hidden_size", keys.integer("embedding_length")},
                 {"num_hidden_layers", keys.integer("block_count")},
                 {"num_attention_heads", keys.integer("attention.head_count")},
                 {"intermediate_size", keys.integer("feed_forward_length")},
                 {"max_position_embeddings", keys.integer("context_length")},
                 {"norm_eps", written(keys.number("attention.layer_norm_epsilon"))},
                 {"local_attention", keys.integer("attention.sliding_window")},
                 {"global_rope_theta", written(keys.number("rope.freq_base", 160000.0))},
                 {"local_rope_theta", written(keys.number("rope.freq_base_swa", 10000.0))}};
  if (keys.has("attention.sliding_window_pattern")) {
    config["global_attn_every_n_layers"] = keys.integer("attention.sliding_window_pattern");
  }
  return config;
}

/// `rope_scaling` as config.json has it.
void add_rope(const Keys& keys, Json& config) {
  config["rope_theta"] = written(keys.number("rope.freq_base", 10000.0));
  const std::string type = keys.text("rope.scaling.type");
  if (type.empty() || type == "none") {
    return;
  }
  if (type != "linear" && type != "yarn") {
    throw Error(ErrorCode::kUnsupported, fmt::format("{}: rope.scaling.type is '{}', wanted none, linear or yarn",
                                                     keys.file().path().string(), printable(type, 40)));
  }
  config["rope_scaling"] = {{"rope_type", type}, {"factor", written(keys.number("rope.scaling.factor"))}};
  if (type == "yarn") {
    config["rope_scaling"]["original_max_position_embeddings"] = keys.integer("rope.scaling.original_context_length");
  }
}

Json decoder(const Keys& keys, const char* model_type) {
  const std::int64_t heads = keys.integer("attention.head_count");
  Json config = {
      {"model_type", model_type},
      {"vocab_size", keys.rows("token_embd.weight")},
      {"hidden_size", keys.integer("embedding_length")},
      {"num_hidden_layers", keys.integer("block_count")},
      {"num_attention_heads", heads},
      {"num_key_value_heads", keys.has("attention.head_count_kv") ? keys.integer("attention.head_count_kv") : heads},
      {"intermediate_size", keys.integer("feed_forward_length")},
      {"max_position_embeddings", keys.integer("context_length")},
      {"rms_norm_eps", written(keys.number("attention.layer_norm_rms_epsilon"))},
      {"tie_word_embeddings", !keys.has_tensor("output.weight")}};
  for (const char* key : {"attention.key_length", "rope.dimension_count"}) {
    if (keys.has(key) && !config.contains("head_dim")) {
      config["head_dim"] = keys.integer(key);
    }
  }
  if (std::string_view(model_type) != "qwen2") {  // which has these biases without a word
    config["attention_bias"] = keys.has_tensor("blk.0.attn_q.bias");
  }
  if (keys.file().boolean(std::string(model_type) + ".attention.causal") == false) {
    config["is_causal"] = false;
  }
  add_rope(keys, config);
  return config;
}

Json gemma(const Keys& keys) {
  Json config = decoder(keys, "gemma3_text");
  config["use_bidirectional_attention"] = true;
  config["query_pre_attn_scalar"] = keys.integer("attention.key_length");
  config["sliding_window"] = keys.integer("attention.sliding_window");
  config["rope_theta"] = written(keys.number("rope.freq_base", 1000000.0));
  config["rope_local_base_freq"] = written(keys.number("rope.freq_base_swa", 10000.0));
  if (keys.has("attention.sliding_window_pattern")) {
    config["sliding_window_pattern"] = keys.integer("attention.sliding_window_pattern");
  }
  return config;
}

}  // namespace

Json gguf_config(const GgufFile& file, const std::string& family) {
  const Keys keys(file);
  if (family == "bert") {
    return bert(keys);
  }
  if (family == "roberta") {
    return roberta(keys);
  }
  if (family == "nomic-bert") {
    return nomic_bert(keys);
  }
  if (family.starts_with("jina-bert-v2")) {
    return jina_bert(keys);
  }
  if (family == "modern-bert") {
    return modern_bert(keys);
  }
  return family == "gemma-embedding" ? gemma(keys) : decoder(keys, family.c_str());
}

std::optional<std::string> gguf_pooling(const GgufFile& file) {
  const std::string key = file.text("general.architecture").value_or("") + ".pooling_type";
  const std::optional<std::int64_t> type = file.integer(key);
  switch (type.value_or(0)) {
    case 0: return std::nullopt;
    case 1: return "mean";
    case 2: return "cls";
    case 3: return "lasttoken";
    case 4:
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: '{}' is rank: a reranker, which is only read from "
                                                       "safetensors",
                                                       file.path().string(), key));
    default:
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: '{}' is {}, wanted 0 to 4", file.path().string(), key, *type));
  }
}

}  // namespace mlxe
