// Heads: Model::logits() on the oracle's token ids gives the oracle's logits, for every checkpoint with a head.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/make_backend.h"
#include "models/architecture.h"
#include "support/oracle_fixture.h"

namespace mlxe::testing {
namespace {

HeadKind head_of(const std::string& case_kind) {
  if (case_kind == "tokenize+classify" || case_kind == "tokenize+classify_pairs") {
    return HeadKind::kSequence;
  }
  if (case_kind == "tokenize+token_logits") {
    return HeadKind::kToken;
  }
  return case_kind == "tokenize+mlm_logits" ? HeadKind::kMaskedLm : HeadKind::kNone;
}

struct HeadCase {
  std::filesystem::path folder;
  Json test_case;
};
void PrintTo(const HeadCase& parameter, std::ostream* out) {
  *out << parameter.folder.string() << ", " << parameter.test_case.at("name");
}

std::vector<HeadCase> head_cases() {
  std::vector<HeadCase> cases;
  const std::vector<std::string> types = architecture_names();
  for (const auto& entry : std::filesystem::directory_iterator("tests/fixtures")) {
    if (!std::filesystem::exists(entry.path() / "cases.json") ||
        !std::filesystem::exists(entry.path() / "config.json")) {
      continue;
    }
    const std::string type = load_json(entry.path() / "config.json").at("model_type");
    if (std::ranges::find(types, type) == types.end()) {
      continue;
    }
    const Json all_cases = load_json(entry.path() / "cases.json");
    for (const Json& test_case : all_cases.at("cases")) {
      if (head_of(test_case.at("kind")) != HeadKind::kNone) {
        cases.push_back({entry.path(), test_case});
      }
    }
  }
  std::ranges::sort(
      cases, {}, [](const HeadCase& one) { return one.folder.string() + one.test_case.at("name").get<std::string>(); });
  return cases;
}

class Heads : public ::testing::TestWithParam<HeadCase> {};
INSTANTIATE_TEST_SUITE_P(Oracle, Heads, ::testing::ValuesIn(head_cases()), [](const auto& parameter) {
  return test_name(parameter.param.folder.filename().string() + "__" +
                   parameter.param.test_case.at("name").template get<std::string>());
});

TEST_P(Heads, GiveTheLogitsOfTheOracle) {
  const auto& [folder, test_case] = GetParam();
  const auto expected = read_safetensors(folder / "expected.safetensors");
  const Json& tensors = test_case.at("tensors");
  const auto tensor = [&](const char* name) -> const HostTensor& {
    return expected.at(tensors.at(name).at("key").get<std::string>()).tensor;
  };
  const auto ids = elements<std::int64_t>(tensor("input_ids"));
  const auto mask = elements<std::int64_t>(tensor("attention_mask"));
  const auto types = tensors.contains("token_type_ids") ? elements<std::int64_t>(tensor("token_type_ids"))
                                                        : std::vector<std::int64_t>(ids.size());
  const auto logits = elements<float>(tensor("logits"));
  const auto labels = static_cast<std::size_t>(tensor("logits").shape.back());
  const auto width = static_cast<std::size_t>(tensor("input_ids").shape[1]);
  const HeadKind kind = head_of(test_case.at("kind"));

  PackedBatch batch;
  std::vector<float> wanted;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (mask[i] != 0) {
      batch.token_ids.push_back(static_cast<std::int32_t>(ids[i]));
      batch.type_ids.push_back(static_cast<std::int32_t>(types[i]));
      if (kind != HeadKind::kSequence) {
        const auto begin = logits.begin() + static_cast<std::ptrdiff_t>(i * labels);
        wanted.insert(wanted.end(), begin, begin + static_cast<std::ptrdiff_t>(labels));
      }
    }
    if (i % width == width - 1) {
      batch.offsets.push_back(batch.num_tokens());
    }
  }
  if (kind == HeadKind::kSequence) {
    wanted = logits;
  }

  const JsonFields config(load_json(folder / "config.json"), "config.json");
  const Architecture& architecture = find_architecture(config.text("model_type"));
  for (const Device device : devices()) {
    const std::unique_ptr<Backend> backend =
        make_backend({.device = device, .precision = Precision::kFp32, .threads = 1});
    WeightMap weights(folder, architecture.weight_name);
    const std::unique_ptr<Model> model =
        architecture.make(config, weights, *backend, {.kind = kind, .num_labels = static_cast<int>(labels)});
    weights.finish();

    std::vector<float> actual(wanted.size());
    backend->run(1, [&](Ops& ops, std::size_t) {
      const Tensor result = forward_logits(*model, ops, batch);
      ASSERT_EQ(static_cast<std::size_t>(result.rows()) * static_cast<std::size_t>(result.columns()), wanted.size());
      ops.read(result, actual);
    });
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      // As for hidden states in the conformance test.
      ASSERT_NEAR(actual[i], wanted[i], 5e-5F * std::max(1.0F, std::abs(wanted[i])))
          << "logit " << i << " on " << device_name(device);
    }
  }
}

}  // namespace
}  // namespace mlxe::testing
