// Tables of words.
#include "choices.h"

#include <span>
#include <string>
#include <utility>

#include "mlxe/error.h"

namespace mlxe::python {
namespace {

template <class T, std::size_t size>
T chosen(std::string_view argument, std::string_view word, const std::pair<std::string_view, T> (&table)[size]) {
  std::string known;
  for (const auto& [name, value] : table) {
    if (name == word) {
      return value;
    }
    known += (known.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  throw Error(ErrorCode::kInvalidInput,
              std::string(argument) + " is '" + std::string(word) + "', wanted one of " + known);
}

}  // namespace

Task to_task(std::string_view word) {
  return chosen<Task>("task", word,
                      {{"auto", Task::kAuto},
                       {"embed", Task::kEmbed},
                       {"multi-vector", Task::kMultiVector},
                       {"sparse", Task::kSparse},
                       {"rerank", Task::kRerank},
                       {"classify", Task::kClassify},
                       {"classify-tokens", Task::kClassifyTokens},
                       {"fill-mask", Task::kFillMask}});
}

Device to_device(std::string_view word) {
  return chosen<Device>("device", word, {{"auto", Device::kAuto}, {"cpu", Device::kCpu}, {"mlx", Device::kMlx}});
}

Precision to_precision(std::string_view word) {
  return chosen<Precision>("precision", word,
                           {{"auto", Precision::kAuto},
                            {"fp32", Precision::kFp32},
                            {"bf16", Precision::kBf16},
                            {"int16", Precision::kInt16},
                            {"int8", Precision::kInt8}});
}

Role to_role(std::string_view word) {
  return chosen<Role>("role", word, {{"none", Role::kNone}, {"query", Role::kQuery}, {"document", Role::kDocument}});
}

Normalize to_normalize(std::string_view word) {
  return chosen<Normalize>(
      "normalize", word,
      {{"always", Normalize::kAlways}, {"declared", Normalize::kDeclared}, {"never", Normalize::kNever}});
}

Overflow to_overflow(std::string_view word) {
  return chosen<Overflow>("on_overflow", word, {{"truncate", Overflow::kTruncate}, {"error", Overflow::kError}});
}

Aggregation to_aggregation(std::string_view word) {
  return chosen<Aggregation>("aggregation", word,
                             {{"auto", Aggregation::kAuto},
                              {"none", Aggregation::kNone},
                              {"simple", Aggregation::kSimple},
                              {"bioes", Aggregation::kBioes}});
}

}  // namespace mlxe::python
