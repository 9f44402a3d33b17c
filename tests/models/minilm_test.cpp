// The real all-MiniLM-L6-v2, where set-up has put it: goldens of our own texts, and the first lines of the benchmark's
// corpora where they exist.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/files.h"
#include "support/oracle_fixture.h"

namespace mlxe::testing {
namespace {

const std::filesystem::path kModel = "build/models/all-MiniLM-L6-v2";
const std::filesystem::path kCorpus = "../shared/bench/corpus";

// The bar of the project against sentence-transformers in float32.
constexpr double kTolerance = 2e-5;
constexpr double kCosine = 0.999999;

Engine load(Device device) {
  LoadOptions options;
  options.device = device;
  options.precision = Precision::kFp32;
  return Engine::load(kModel.string(), options);
}

EmbedOptions options_of_oracle() {
  EmbedOptions options;
  options.max_length = 512;
  return options;
}

void expect_close(std::span<const float> actual, std::span<const float> wanted, const std::string& what) {
  ASSERT_EQ(actual.size(), wanted.size()) << what;
  double worst = 0.0;
  double dot = 0.0;
  double actual_norm = 0.0;
  double wanted_norm = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto a = static_cast<double>(actual[i]);
    const auto w = static_cast<double>(wanted[i]);
    worst = std::max(worst, std::abs(a - w));
    dot += a * w;
    actual_norm += a * a;
    wanted_norm += w * w;
  }
  EXPECT_LE(worst, kTolerance) << what;
  EXPECT_GE(dot / std::sqrt(actual_norm * wanted_norm), kCosine) << what;
}

/// The model on each device, or nothing where set-up has not put it.
std::vector<Device> devices_with_model() {
  return std::filesystem::exists(kModel) ? devices() : std::vector<Device>();
}

class MiniLm : public ::testing::TestWithParam<Device> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MiniLm);
INSTANTIATE_TEST_SUITE_P(Real, MiniLm, ::testing::ValuesIn(devices_with_model()),
                         [](const auto& device) { return device_name(device.param); });

TEST_P(MiniLm, MatchesItsGoldens) {
  const Engine engine = load(GetParam());
  const Json goldens = load_json("tests/fixtures/minilm-goldens.json");
  std::vector<std::string> texts;
  for (const Json& item : goldens.at("items")) {
    texts.push_back(item.at("text").get<std::string>());
  }
  const Embeddings vectors = engine.embed(views_of(texts), options_of_oracle());
  const std::vector<TokenEmbeddings> tokens = engine.token_embeddings(views_of(texts), options_of_oracle());
  ASSERT_EQ(vectors.count(), 8U);
  for (std::size_t index = 0; index < texts.size(); ++index) {
    const Json& item = goldens.at("items").at(index);
    EXPECT_EQ(tokens[index].ids, item.at("ids").get<std::vector<std::int32_t>>()) << texts[index].substr(0, 60);
    expect_close(vectors.row(index), item.at("vector").get<std::vector<float>>(), texts[index].substr(0, 60));
  }
}

/// The values of a float32 array file in C order, format 1.0: magic, version, length of the header, header, data.
std::vector<float> read_npy(const std::filesystem::path& path) {
  const std::string bytes = read_file(path, std::size_t{1} << 30);
  const auto header_length =
      static_cast<std::size_t>(static_cast<unsigned char>(bytes.at(8)) + 256 * static_cast<unsigned char>(bytes.at(9)));
  const std::string header = bytes.substr(10, header_length);
  if (header.find("'<f4'") == std::string::npos || header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error(path.string() + ": not an array of float32 in C order");
  }
  std::vector<float> values((bytes.size() - 10 - header_length) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + 10 + header_length, values.size() * sizeof(float));
  return values;
}

std::vector<std::string> corpora_with_model() {
  const bool both = std::filesystem::exists(kModel) && std::filesystem::exists(kCorpus);
  return both ? std::vector<std::string>{"sentences", "passages"} : std::vector<std::string>();
}

class MiniLmCorpus : public ::testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(MiniLmCorpus);
INSTANTIATE_TEST_SUITE_P(Real, MiniLmCorpus, ::testing::ValuesIn(corpora_with_model()),
                         [](const auto& corpus) { return corpus.param; });

TEST_P(MiniLmCorpus, TheFirstLinesMatchSentenceTransformers) {
  // A few seconds of work, as a passage is ten sentences; bench/compare.py reads all of them.
  const std::size_t num_lines = GetParam() == "passages" ? 30 : 200;
  std::ifstream file(kCorpus / (GetParam() + ".txt"));
  std::vector<std::string> lines(num_lines);
  for (std::string& line : lines) {
    ASSERT_TRUE(std::getline(file, line));
  }
  const std::vector<float> wanted = read_npy(kCorpus / (GetParam() + ".all-MiniLM-L6-v2.torch_fp32.npy"));
  const Embeddings vectors = load(Device::kCpu).embed(views_of(lines), options_of_oracle());
  const auto dim = static_cast<std::size_t>(vectors.dim);
  for (std::size_t index = 0; index < num_lines; ++index) {
    expect_close(vectors.row(index), std::span(wanted).subspan(index * dim, dim), fmt::format("line {}", index + 1));
  }
}

}  // namespace
}  // namespace mlxe::testing
