// Tables from checkpoints' activation names to ours.
#include "nn/activation.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mlxe/error.h"

namespace mlxe {
namespace {

using NamedActivation = std::pair<std::string_view, Activation>;

// gelu_fast and gelu_accurate write the tanh form with other parentheses; 0.7978845608 is sqrt(2 / pi).
constexpr std::array<NamedActivation, 14> kHfNames = {{
    {"gelu", Activation::kGeluErf},
    {"gelu_python", Activation::kGeluErf},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"gelu_python_tanh", Activation::kGeluTanh},
    {"gelu_fast", Activation::kGeluTanh},
    {"gelu_accurate", Activation::kGeluTanh},
    {"relu", Activation::kRelu},
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"quick_gelu", Activation::kQuickGelu},
    {"linear", Activation::kNone},
}};

// Every class as its constructor without arguments makes it, so GELU is the erf form.
constexpr std::array<NamedActivation, 6> kTorchClasses = {{
    {"Identity", Activation::kNone},
    {"GELU", Activation::kGeluErf},
    {"ReLU", Activation::kRelu},
    {"SiLU", Activation::kSilu},
    {"Tanh", Activation::kTanh},
    {"Sigmoid", Activation::kSigmoid},
}};

Activation look_up(std::span<const NamedActivation> table, std::string_view key, std::string_view written) {
  const auto entry = std::ranges::find(table, key, &NamedActivation::first);
  if (entry != table.end()) {
    return entry->second;
  }
  std::vector<std::string_view> known;
  for (const NamedActivation& named : table) {
    known.push_back(named.first);
  }
  throw Error(ErrorCode::kUnsupported,
              fmt::format("activation '{}' is not supported, wanted one of: {}", written, fmt::join(known, ", ")));
}

}  // namespace

Activation activation_from_hf(std::string_view name) {
  return look_up(kHfNames, name, name);
}

Activation activation_from_torch(std::string_view dotted_class) {
  // Only torch's own classes: a checkpoint's own "acme.Tanh" may be anything.
  const bool is_torch = dotted_class.starts_with("torch.nn.");
  return look_up(kTorchClasses, is_torch ? dotted_class.substr(dotted_class.rfind('.') + 1) : "", dotted_class);
}

std::string_view to_string(Activation activation) {
  switch (activation) {
    case Activation::kNone: return "identity";
    case Activation::kGeluErf: return "gelu";
    case Activation::kGeluTanh: return "gelu_tanh";
    case Activation::kRelu: return "relu";
    case Activation::kSilu: return "silu";
    case Activation::kTanh: return "tanh";
    case Activation::kSigmoid: return "sigmoid";
    case Activation::kQuickGelu: return "quick_gelu";
  }
  return "?";
}

}  // namespace mlxe
