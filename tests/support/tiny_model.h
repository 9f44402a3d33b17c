// TinyModel: a random BERT checkpoint of a few kilobytes, written to a temporary folder for one test to bend.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

namespace mlxe::testing {

/// A folder of the running test, removed at the end of its life.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const std::string pattern = (std::filesystem::temp_directory_path() / "mlxe-test-XXXXXX").string();
    std::vector<char> name(pattern.begin(), pattern.end());
    name.push_back('\0');
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("cannot create a temporary folder");
    }
    path_ = name.data();
  }
  ~TemporaryFolder() {
    if (!path_.empty()) {
      std::error_code ignored;
      std::filesystem::remove_all(path_, ignored);
    }
  }
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  void write(const std::filesystem::path& name, std::string_view content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  void write_json(const std::filesystem::path& name, const nlohmann::json& json) const { write(name, json.dump()); }

 private:
  std::filesystem::path path_;
};

struct FloatTensor {
  std::vector<int> shape;
  std::vector<float> values;
};

/// The bytes of a safetensors file with float32 tensors.
inline std::string to_safetensors(const std::map<std::string, FloatTensor>& tensors) {
  nlohmann::json header;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t size = text.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + text + data;
}

/// Random values of a normal distribution; equal seeds give equal tensors on every machine.
inline FloatTensor random_tensor(std::vector<int> shape, std::uint32_t seed, float gain = 1.0F) {
  std::size_t count = 1;
  for (const int dimension : shape) {
    count *= static_cast<std::size_t>(dimension);
  }
  std::mt19937 bits(seed);
  FloatTensor tensor{.shape = std::move(shape), .values = std::vector<float>(count)};
  for (float& value : tensor.values) {
    // The sum of four uniform numbers: near enough to normal, and unlike std::normal_distribution equal everywhere.
    float sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum += static_cast<float>(bits() >> 8U) / static_cast<float>(1U << 24U) - 0.5F;
    }
    value = gain * sum * 1.7F;
  }
  return tensor;
}

struct TinyModel {
  TemporaryFolder folder;
  nlohmann::json config = {
      {"model_type", "bert"},     {"vocab_size", 24},        {"hidden_size", 8},     {"num_hidden_layers", 2},
      {"num_attention_heads", 2}, {"intermediate_size", 16}, {"hidden_act", "gelu"}, {"max_position_embeddings", 32},
      {"type_vocab_size", 2},     {"layer_norm_eps", 1e-12}};
  nlohmann::json tokenizer;
  nlohmann::json modules = nlohmann::json::array();  ///< no modules.json while it is empty
  std::map<std::string, FloatTensor> tensors;

  TinyModel() {
    make_tokenizer();
    make_tensors();
  }

  /// Adds an entry to modules.json and the module's configuration in its folder.
  void add_module(const std::string& kind, const std::string& path, const nlohmann::json& module_config = {}) {
    modules.push_back({{"idx", modules.size()},
                       {"name", std::to_string(modules.size())},
                       {"path", path},
                       {"type", "sentence_transformers.models." + kind}});
    if (!module_config.is_null()) {
      folder.write_json(std::filesystem::path(path) / "config.json", module_config);
    }
  }

  void add_dense(const std::string& path, int in_features, int out_features, std::uint32_t seed) {
    add_module("Dense", path,
               {{"in_features", in_features},
                {"out_features", out_features},
                {"bias", true},
                {"activation_function", "torch.nn.modules.activation.Tanh"}});
    folder.write(std::filesystem::path(path) / "model.safetensors",
                 to_safetensors({{"linear.weight", random_tensor({out_features, in_features}, seed)},
                                 {"linear.bias", random_tensor({out_features}, seed + 1)}}));
  }

  /// Writes what is in the members; call it after bending them.
  [[nodiscard]] const std::filesystem::path& write() const {
    folder.write_json("config.json", config);
    folder.write_json("tokenizer.json", tokenizer);
    folder.write("model.safetensors", to_safetensors(tensors));
    if (!modules.empty()) {
      folder.write_json("modules.json", modules);
    }
    return folder.path();
  }

 private:
  // Words are split at spaces; [CLS] and [SEP] are put around a text; case matters.
  void make_tokenizer() {
    nlohmann::json vocab;
    for (const char* word :
         {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", "cat",   "dog",  "sat", "on",  "mat", "and",
          "ran",   "far",   "away",  "query", ":", "red", "green", "blue", "one", "two", "six"}) {
      const std::size_t id = vocab.size();
      vocab[word] = id;
    }
    nlohmann::json added = nlohmann::json::array();
    for (int id = 0; id < 4; ++id) {
      const char* names[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
      added.push_back({{"id", id},
                       {"content", names[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    }
    const auto special = [](const char* name) {
      return nlohmann::json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
    };
    const auto sequence = [](const char* name) { return nlohmann::json{{"Sequence", {{"id", name}, {"type_id", 0}}}}; };
    const auto entry = [](const char* name, int id) {
      return nlohmann::json{{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    };
    tokenizer = {{"version", "1.0"},
                 {"truncation", nullptr},
                 {"padding", nullptr},
                 {"added_tokens", added},
                 {"normalizer", nullptr},
                 {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
                 {"post_processor",
                  {{"type", "TemplateProcessing"},
                   {"single", {special("[CLS]"), sequence("A"), special("[SEP]")}},
                   {"pair", {special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B"), special("[SEP]")}},
                   {"special_tokens", {{"[CLS]", entry("[CLS]", 2)}, {"[SEP]", entry("[SEP]", 3)}}}}},
                 {"decoder", nullptr},
                 {"model", {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "[UNK]"}}}};
  }

  void make_tensors() {
    std::uint32_t seed = 1;
    const auto add = [&](const std::string& name, std::vector<int> shape, float gain = 1.0F) {
      tensors[name] = random_tensor(std::move(shape), seed++, gain);
    };
    const auto add_linear = [&](const std::string& name, int out, int in) {
      add(name + ".weight", {out, in});
      add(name + ".bias", {out});
    };
    const auto add_norm = [&](const std::string& name) {
      add(name + ".weight", {8});
      add(name + ".bias", {8}, 0.5F);
    };
    add("embeddings.word_embeddings.weight", {24, 8});
    add("embeddings.position_embeddings.weight", {32, 8});
    add("embeddings.token_type_embeddings.weight", {2, 8});
    add_norm("embeddings.LayerNorm");
    for (const std::string layer : {"encoder.layer.0.", "encoder.layer.1."}) {
      for (const char* part : {"query", "key", "value"}) {
        add_linear(layer + "attention.self." + part, 8, 8);
      }
      add_linear(layer + "attention.output.dense", 8, 8);
      add_norm(layer + "attention.output.LayerNorm");
      add_linear(layer + "intermediate.dense", 16, 8);
      add_linear(layer + "output.dense", 8, 16);
      add_norm(layer + "output.LayerNorm");
    }
  }
};

}  // namespace mlxe::testing
