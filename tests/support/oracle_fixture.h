// Reading the model folders with goldens: tests/fixtures and, where they exist, those beside the repository.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "mlxe/engine.h"
#include "weights/safetensors.h"

namespace mlxe {

// gtest puts a parameter into the test's name; without this, as bytes.
inline void PrintTo(Device device, std::ostream* out) {
  *out << (device == Device::kCpu ? "cpu" : "mlx");
}

namespace testing {

/// The kinds of cases that Engine can answer. Others belong to outputs and inputs that have no room yet.
constexpr std::array<std::string_view, 10> kSupportedKinds = {
    "tokenize+forward",    "embed",  "bidirec_embed", "tokenize+classify", "tokenize+classify_pairs",
    "tokenize+mlm_logits", "rerank", "rerank_yes_no", "sparse_embed",      "tokenize+token_logits"};

struct OracleFixture {
  std::string name;  ///< letters, digits and '_' only: part of a test's name
  std::filesystem::path folder;
  std::string model_type;
  std::vector<Json> cases;       ///< of supported kinds
  bool is_multi_vector = false;  ///< late interaction: it has no vector for a whole text

  [[nodiscard]] std::map<std::string, HostTensor> expected() const {
    std::map<std::string, HostTensor> tensors;
    for (const auto& [key, stored] : read_safetensors(folder / "expected.safetensors")) {
      tensors[key] = stored.tensor;
    }
    return tensors;
  }
};

inline void PrintTo(const OracleFixture& fixture, std::ostream* out) {
  *out << fixture.name;
}

inline std::string test_name(std::string text) {
  std::ranges::replace_if(text, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

/// Of a folder with cases.json: config.json's, also that of an adapter's base; StaticEmbedding has no configuration.
inline std::string model_type_of(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "0_StaticEmbedding")) {
    return "model2vec";
  }
  const bool whole = std::filesystem::exists(folder / "config.json");
  return load_json(folder / (whole ? "config.json" : "base/config.json")).at("model_type").get<std::string>();
}

/// Folders below `root` that hold goldens of an architecture and of a kind that this build supports, sorted.
inline std::vector<OracleFixture> oracle_fixtures(const std::filesystem::path& root, const std::string& prefix,
                                                  std::span<const std::string_view> kinds = kSupportedKinds) {
  std::vector<OracleFixture> fixtures;
  if (!std::filesystem::is_directory(root)) {
    return fixtures;
  }
  const std::vector<std::string> types = supported_model_types();
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(entry.path() / "cases.json")) {
      continue;
    }
    OracleFixture fixture = {.name = test_name(prefix + entry.path().filename().string()),
                             .folder = entry.path(),
                             .model_type = model_type_of(entry.path()),
                             .cases = {},
                             .is_multi_vector = false};
    if (std::ranges::find(types, fixture.model_type) == types.end()) {
      continue;
    }
    const Json all_cases = load_json(entry.path() / "cases.json");
    for (const Json& test_case : all_cases.at("cases")) {
      fixture.is_multi_vector |= test_case.at("kind") == "multivector_text";
      if (std::ranges::find(kinds, test_case.at("kind").get<std::string>()) != kinds.end()) {
        fixture.cases.push_back(test_case);
      }
    }
    if (!fixture.cases.empty()) {
      fixtures.push_back(std::move(fixture));
    }
  }
  std::ranges::sort(fixtures, {}, &OracleFixture::name);
  return fixtures;
}

inline std::vector<OracleFixture> own_fixtures() {
  return oracle_fixtures("tests/fixtures", "own_");
}

/// Our own, and those beside the repository where they exist.
inline std::vector<OracleFixture> all_fixtures() {
  std::vector<OracleFixture> fixtures = own_fixtures();
  std::ranges::move(oracle_fixtures("../shared/fixtures", "shared_"), std::back_inserter(fixtures));
  return fixtures;
}

/// Those that have a vector, or something else, for a whole text: late interaction has not.
inline std::vector<OracleFixture> fixtures_with_vectors() {
  std::vector<OracleFixture> fixtures = all_fixtures();
  std::erase_if(fixtures, [](const OracleFixture& fixture) { return fixture.is_multi_vector; });
  return fixtures;
}

/// The elements of one tensor of expected.safetensors.
template <class Element>
std::vector<Element> elements(const HostTensor& tensor) {
  std::vector<Element> values(num_elements(tensor.shape));
  if (size_bytes(tensor.dtype) != sizeof(Element)) {
    throw std::runtime_error("expected.safetensors: unexpected type " + std::string(to_string(tensor.dtype)));
  }
  std::memcpy(values.data(), tensor.data, values.size() * sizeof(Element));
  return values;
}

inline std::vector<std::string> texts_of(const Json& test_case) {
  return test_case.at("texts").get<std::vector<std::string>>();
}

inline std::vector<std::string_view> views_of(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

/// The devices that this build can run on.
inline std::vector<Device> devices() {
#ifdef MLXE_TEST_MLX
  return {Device::kCpu, Device::kMlx};
#else
  return {Device::kCpu};
#endif
}
inline std::string device_name(Device device) {
  return device == Device::kCpu ? "cpu" : "mlx";
}

}  // namespace testing
}  // namespace mlxe
