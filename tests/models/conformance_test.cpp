// Conformance: every checkpoint with goldens gives the oracle's ids and numbers on every backend.
#include <array>
#include <cmath>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "engine/yes_no_prompt.h"
#include "models/oracle_outputs.h"

namespace mlxe::testing {
namespace {

// Noise of the oracles: 1e-6 on normalised vectors and 5e-6 on hidden states in float32. A GELU of the other kind moves
// vectors by 2e-5 and more, a wrong mask or token type by 2e-3, so these leave room for neither.
constexpr double kEmbeddingTolerance = 5e-6;
constexpr double kHiddenTolerance = 5e-5;
// Noise of the oracles' logits: 1.7e-5 on magnitudes of up to 18.
constexpr double kLogitTolerance = 2e-5;
// Over a vocabulary, with a norm and another product behind the hidden states, float32 in torch is itself 3.5e-5 away.
constexpr double kTokenLogitTolerance = 5e-5;

// Settings of a case that are honoured below, or that only describe how the oracle was asked.
const std::set<std::string> kKnownSettings = {
    "name",    "kind",   "texts",        "tensors",        "max_length", "prompt",     "prompt_name",
    "pooling", "api",    "padding_side", "max_seq_length", "pairs",      "truncation", "instruction",
    "prefix",  "suffix", "yes_id",       "no_id",          "formatted",  "activation", "truncate_dim"};

EmbedOptions embed_options(const Json& test_case) {
  EmbedOptions options;
  options.normalize = Normalize::kDeclared;
  if (test_case.contains("max_length")) {
    options.max_length = test_case.at("max_length").get<int>();
  }
  if (test_case.contains("truncate_dim")) {  // of length 1 afterwards: normalize_embeddings of the oracle
    options.dimensions = test_case.at("truncate_dim").get<int>();
    options.normalize = Normalize::kAlways;
  }
  if (test_case.contains("prompt_name")) {
    options.prompt_name = test_case.at("prompt_name").get<std::string>();
  } else if (test_case.contains("prompt")) {
    options.prompt = test_case.at("prompt").get<std::string>();
  }
  return options;
}

/// Largest distance as a share of max(1, |wanted|): most vectors are of length 1, pooled sums are larger.
template <class Values>
double worst_error(const Values& actual, std::span<const float> wanted) {
  double worst = 0.0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const double scale = std::max(1.0, std::abs(static_cast<double>(wanted[i])));
    const double error = std::abs(static_cast<double>(actual[i]) - static_cast<double>(wanted[i])) / scale;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

struct CaseParameter {
  OracleFixture fixture;
  Json test_case;
  Device device;
};
void PrintTo(const CaseParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<CaseParameter> all_cases() {
  std::vector<CaseParameter> parameters;
  for (const OracleFixture& fixture : all_fixtures()) {
    for (const Json& test_case : fixture.cases) {
      for (const Device device : devices()) {
        parameters.push_back({fixture, test_case, device});
      }
    }
  }
  return parameters;
}

class OracleCase : public ::testing::TestWithParam<CaseParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleCase, ::testing::ValuesIn(all_cases()), [](const auto& parameter) {
  return fmt::format("{}__{}__{}", parameter.param.fixture.name,
                     test_name(parameter.param.test_case.at("name").template get<std::string>()),
                     device_name(parameter.param.device));
});

void check_embeddings(const Engine& engine, const Json& test_case, const std::map<std::string, HostTensor>& expected) {
  const std::vector<std::string> texts = texts_of(test_case);
  const Embeddings actual = engine.embed(views_of(texts), embed_options(test_case));
  const HostTensor& wanted = expected.at(test_case.at("tensors").at("embedding").at("key").get<std::string>());
  ASSERT_EQ(Shape({static_cast<int>(actual.count()), actual.dim}), wanted.shape);
  const std::vector<float> values = elements<float>(wanted);
  for (std::size_t row = 0; row < texts.size(); ++row) {
    const auto dim = static_cast<std::size_t>(actual.dim);
    EXPECT_LE(worst_error(actual.row(row), std::span(values).subspan(row * dim, dim)), kEmbeddingTolerance)
        << fmt::format("text {}: '{}'", row, texts[row].substr(0, 60));
  }
}

/// A tensor of a case by the case's own name for it.
class Wanted {
 public:
  Wanted(const Json& test_case, const std::map<std::string, HostTensor>& expected)
      : tensors_(test_case.at("tensors")), expected_(expected) {}
  [[nodiscard]] bool has(const char* name) const { return tensors_.contains(name); }
  [[nodiscard]] const HostTensor& tensor(const char* name) const {
    return expected_.at(tensors_.at(name).at("key").get<std::string>());
  }
  [[nodiscard]] std::vector<float> floats(const char* name) const { return elements<float>(tensor(name)); }
  /// The attended tokens of a padded row.
  [[nodiscard]] std::vector<std::int32_t> ids(std::size_t row) const {
    std::vector<std::int32_t> out;
    for_each_attended(row, [&](std::size_t token, std::int64_t id) {
      static_cast<void>(token);
      out.push_back(static_cast<std::int32_t>(id));
    });
    return out;
  }
  /// The vectors of the attended tokens of a padded row, from [rows, tokens, width].
  [[nodiscard]] std::vector<float> attended(const char* name, std::size_t row) const {
    const std::vector<float> values = floats(name);
    const auto width = static_cast<std::ptrdiff_t>(tensor(name).shape[2]);
    std::vector<float> out;
    for_each_attended(row, [&](std::size_t token, std::int64_t) {
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(token) * width, width, std::back_inserter(out));
    });
    return out;
  }

 private:
  template <class Take>
  void for_each_attended(std::size_t row, const Take& take) const {
    const std::vector<std::int64_t> ids = elements<std::int64_t>(tensor("input_ids"));
    const std::vector<std::int64_t> mask = elements<std::int64_t>(tensor("attention_mask"));
    const auto width = static_cast<std::size_t>(tensor("input_ids").shape[1]);
    for (std::size_t token = row * width; token < (row + 1) * width; ++token) {
      if (mask[token] != 0) {
        take(token, ids[token]);
      }
    }
  }

  const Json& tensors_;
  const std::map<std::string, HostTensor>& expected_;
};

RunOptions run_options(const Json& test_case) {
  RunOptions options;
  if (test_case.contains("max_length")) {
    options.max_length = test_case.at("max_length").get<int>();
  }
  return options;
}

void expect_close(std::span<const float> actual, std::span<const float> wanted, double tolerance) {
  ASSERT_EQ(actual.size(), wanted.size());
  EXPECT_LE(worst_error(actual, wanted), tolerance);
}

void check_hidden_states(const Engine& engine, const Json& test_case, const Wanted& wanted) {
  const std::vector<std::string> texts = texts_of(test_case);
  EmbedOptions options = embed_options(test_case);
  if (test_case.at("kind") == "tokenize+forward") {
    options.prompt = "";  // the oracle is the bare transformer
  }
  const std::vector<TokenEmbeddings> actual = engine.token_embeddings(views_of(texts), options);
  ASSERT_EQ(actual.size(), texts.size());
  for (std::size_t row = 0; row < texts.size(); ++row) {
    SCOPED_TRACE(fmt::format("text {}: '{}'", row, texts[row].substr(0, 60)));
    ASSERT_EQ(actual[row].ids, wanted.ids(row));
    if (wanted.has("last_hidden_state")) {
      expect_close(actual[row].values, wanted.attended("last_hidden_state", row), kHiddenTolerance);
    }
  }
}

void check_classes(const Engine& engine, const Json& test_case, const Wanted& wanted) {
  const RunOptions run = run_options(test_case);
  Inputs inputs;
  inputs.add(test_case);
  const bool pairs = test_case.contains("pairs");
  const auto tokens = pairs ? engine.tokenize_pairs(inputs.pairs(), run) : engine.tokenize(inputs.texts(), run);
  auto options = with_run<ClassifyOptions>(run);
  const auto check = [&](const char* name, ScoreKind kind) {
    options.scores = kind;
    const Classifications actual =
        pairs ? engine.classify_pairs(inputs.pairs(), options) : engine.classify(inputs.texts(), options);
    expect_close(actual.values, wanted.floats(name), kLogitTolerance);
  };
  for (std::size_t row = 0; row < inputs.size(); ++row) {
    EXPECT_EQ(tokens[row].ids, wanted.ids(row)) << inputs.first[row];
  }
  check("logits", ScoreKind::kRaw);
  // The folders with goldens have no `problem_type`: one label goes through a sigmoid, several through a softmax.
  const char* probabilities = engine.info().labels.size() == 1 ? "sigmoid" : "softmax";
  if (wanted.has(probabilities)) {
    check(probabilities, ScoreKind::kDeclared);
  }
}

void check_pair_scores(const Engine& engine, const Json& test_case, const Wanted& wanted,
                       const std::filesystem::path& folder) {
  Inputs inputs;
  inputs.add(test_case);
  auto options = with_run<RerankOptions>(run_options(test_case));
  if (test_case.at("kind") == "rerank") {
    expect_close(engine.score_pairs(inputs.pairs(), options).values, wanted.floats("scores"), kLogitTolerance);
    return;
  }
  const auto instruction = test_case.at("instruction").get<std::string>();
  options.instruction = instruction;
  expect_close(engine.score_pairs(inputs.pairs(), options).values, wanted.floats("score"), kLogitTolerance);
  options.scores = ScoreKind::kRaw;
  expect_close(engine.score_pairs(inputs.pairs(), options).values, wanted.floats("logit_diff"), kLogitTolerance);
  if (instruction == kDefaultInstruction) {
    options.instruction.reset();
    expect_close(engine.score_pairs(inputs.pairs(), options).values, wanted.floats("logit_diff"), kLogitTolerance);
  }
  const Tokenizer tokenizer(folder / "tokenizer.json");
  const YesNoPrompt prompt = make_yes_no_prompt(tokenizer);
  EncodeOptions encode;
  encode.max_length = test_case.at("max_length").get<int>();
  encode.prefix_ids = prompt.prefix_ids;
  encode.suffix_ids = prompt.suffix_ids;
  for (std::size_t row = 0; row < inputs.size(); ++row) {
    const std::string content = yes_no_content(instruction, inputs.first[row], inputs.second[row]);
    const std::string_view view = content;
    EXPECT_EQ(tokenizer.encode(std::span(&view, 1), encode).front().ids, wanted.ids(row)) << content;
  }
}

void check_token_logits(const Engine& engine, const Json& test_case, const Wanted& wanted) {
  const std::vector<std::string> texts = texts_of(test_case);
  const std::vector<TokenEmbeddings> actual = engine.token_logits(views_of(texts), run_options(test_case));
  for (std::size_t row = 0; row < texts.size(); ++row) {
    SCOPED_TRACE(fmt::format("text {}: '{}'", row, texts[row].substr(0, 60)));
    ASSERT_EQ(actual[row].ids, wanted.ids(row));
    expect_close(actual[row].values, wanted.attended("logits", row), kTokenLogitTolerance);
  }
}

void check_sparse(const Engine& engine, const Json& test_case, const Wanted& wanted) {
  const std::vector<std::string> texts = texts_of(test_case);
  const auto width = static_cast<std::size_t>(wanted.tensor("embedding").shape[1]);
  std::vector<float> actual;
  for (const SparseVector& vector : engine.sparse(views_of(texts), with_run<SparseOptions>(run_options(test_case)))) {
    std::ranges::copy(to_dense(vector, width), std::back_inserter(actual));
  }
  expect_close(actual, wanted.floats("embedding"), kLogitTolerance);
}

TEST_P(OracleCase, MatchesTheOracle) {
  const auto& [fixture, test_case, device] = GetParam();
  for (const auto& [key, value] : test_case.items()) {
    ASSERT_TRUE(kKnownSettings.contains(key)) << "cases.json has a setting that this test does not honour: " << key;
  }
  const std::string kind = test_case.at("kind");
  const Output output = output_of(kind);
  LoadOptions options = load_options(device, task_of(fixture, kind));
  if (test_case.contains("pooling") && output == Output::kVectors) {
    options.pooling = test_case.at("pooling").get<std::string>();
  }
  const Engine engine = Engine::load(fixture.folder.string(), options);
  const std::map<std::string, HostTensor> expected = fixture.expected();
  const Wanted wanted(test_case, expected);
  switch (output) {
    case Output::kVectors:
      if (kind != "embed") {
        check_hidden_states(engine, test_case, wanted);
      }
      if (kind != "tokenize+forward") {
        check_embeddings(engine, test_case, expected);
      }
      break;
    case Output::kClasses:
    case Output::kPairClasses: check_classes(engine, test_case, wanted); break;
    case Output::kPairScores: check_pair_scores(engine, test_case, wanted, fixture.folder); break;
    case Output::kTokenLogits: check_token_logits(engine, test_case, wanted); break;
    case Output::kSparse: check_sparse(engine, test_case, wanted); break;
  }
}

struct DeviceParameter {
  OracleFixture fixture;
  Device device;
};
void PrintTo(const DeviceParameter& parameter, std::ostream* out) {
  *out << parameter.fixture.folder.string() << " on " << device_name(parameter.device);
}
std::vector<DeviceParameter> all_devices() {
  std::vector<DeviceParameter> parameters;
  for (const OracleFixture& fixture : fixtures_with_vectors()) {
    for (const Device device : devices()) {
      parameters.push_back({fixture, device});
    }
  }
  return parameters;
}

class OracleLengths : public ::testing::TestWithParam<DeviceParameter> {};
INSTANTIATE_TEST_SUITE_P(Conformance, OracleLengths, ::testing::ValuesIn(all_devices()), [](const auto& parameter) {
  return fmt::format("{}__{}", parameter.param.fixture.name, device_name(parameter.param.device));
});

TEST_P(OracleLengths, EveryLengthUpToTheLimitGivesFiniteVectors) {
  const Engine engine = Engine::load(GetParam().fixture.folder.string(), load_options(GetParam().device, Task::kEmbed));
  // Static embeddings have no limit to speak of.
  const int limit = std::min(engine.info().max_positions, 4096);
  std::string text;
  for (int i = 0; i < limit; ++i) {
    text += "a ";  // one token in every tokenizer of the fixtures
  }
  const std::array views = {std::string_view(text)};
  EmbedOptions options;
  options.prompt = "";
  const int specials = engine.embed(std::array{std::string_view("")}, options).items[0].tokens;
  for (int length = specials + 1; length <= limit; length += 1 + length / 24) {
    options.max_length = length;
    const Embeddings vectors = engine.embed(views, options);
    ASSERT_EQ(vectors.items[0].tokens, length);
    ASSERT_TRUE(std::ranges::all_of(vectors.values, [](float value) { return std::isfinite(value); })) << length;
  }
  options.max_length = limit;
  EXPECT_EQ(engine.embed(views, options).items[0].tokens, limit);
}

TEST(Conformance, FindsCasesOfEveryKind) {
  std::map<std::string, int> counts;
  for (const OracleFixture& fixture : own_fixtures()) {
    for (const Json& test_case : fixture.cases) {
      ++counts[test_case.at("kind").get<std::string>()];
    }
  }
  for (const std::string_view kind : kSupportedKinds) {
    EXPECT_GT(counts[std::string(kind)], 0) << "no case of kind " << kind << " in tests/fixtures";
  }
  const std::size_t outside = oracle_fixtures("../shared/fixtures", "").size();
  std::cout << fmt::format("{} cases run on {} devices; {} folders of ../shared/fixtures take part\n",
                           all_cases().size() / devices().size(), devices().size(), outside);
  if (std::filesystem::exists("../shared/fixtures")) {
    EXPECT_GT(outside, 0U) << "../shared/fixtures exists, and none of it could be used";
  }
}

TEST(Conformance, EveryArchitectureHasItsFileAndItsFixture) {
  std::set<std::string> with_fixture;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fixtures")) {
    if (std::filesystem::exists(entry.path() / "config.json")) {
      with_fixture.insert(load_json(entry.path() / "config.json").at("model_type").get<std::string>());
    }
  }
  std::set<std::string> with_file;
  for (const auto& entry : std::filesystem::directory_iterator("src/models")) {
    if (entry.path().extension() == ".cpp" && entry.path().stem() != "registry") {
      with_file.insert(entry.path().stem().string());
    }
  }
  std::set<std::string> types;
  std::set<std::string> files;
#define MLXE_ARCHITECTURE(file, model_type) \
  files.insert(#file);                      \
  types.insert(model_type);
#include "models/registry.def"
#undef MLXE_ARCHITECTURE
  EXPECT_EQ(with_fixture, types) << "folders of tests/fixtures against rows of registry.def";
  EXPECT_EQ(with_file, files) << "files of src/models against rows of registry.def";
}

}  // namespace
}  // namespace mlxe::testing
