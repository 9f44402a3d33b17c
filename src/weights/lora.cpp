// Reads adapter_model.safetensors, pairs A with B and adds their product to the weights.
#include "weights/lora.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "tensor/widen.h"
#include "weights/safetensors.h"

namespace mlxe {
namespace {

constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr std::size_t kMaxNameBytes = 120;  // of a name in a message
constexpr std::size_t kMaxLines = 15;

enum class Part { kA, kB, kBiasOfB, kWhole, kIgnored };

struct Key {
  std::string module;  // of kWhole: the whole tensor's name
  Part part = Part::kWhole;
};

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// "base_model.model.encoder.query.lora_A[.default].weight" -> A of "encoder.query".
/// \throws Error{kUnsupported} for a part that plain LoRA does not have
Key parse_key(std::string_view name) {
  constexpr std::string_view kPrefix = "base_model.model.";
  const std::vector<std::string_view> parts = split(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name);
  const auto lora = std::ranges::find_if(parts, [](std::string_view part) { return part.starts_with("lora_"); });
  if (lora != parts.end()) {
    const std::string module = fmt::format("{}", fmt::join(parts.begin(), lora, "."));
    const bool is_bias = parts.back() == "bias";
    if (*lora == "lora_A" || *lora == "lora_embedding_A") {
      return {.module = module, .part = Part::kA};
    }
    if (*lora == "lora_B" || *lora == "lora_embedding_B") {
      return {.module = module, .part = is_bias ? Part::kBiasOfB : Part::kB};
    }
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{}: tensor '{}' is not supported, wanted lora_A and lora_B{}", kWeightsFile,
                    printable(name, kMaxNameBytes),
                    *lora == "lora_magnitude_vector" ? " (a DoRA adapter; merge it into its base with peft)" : ""));
  }
  std::vector<std::string_view> kept;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool of_adapter = parts[i] == "default" && i > 0 && parts[i - 1] == "modules_to_save";
    if (parts[i] == "original_module") {
      return {.module = {}, .part = Part::kIgnored};  // a copy of the base's own
    }
    if (parts[i] != "base_layer" && parts[i] != "modules_to_save" && !of_adapter) {
      kept.push_back(parts[i]);
    }
  }
  return {.module = fmt::format("{}", fmt::join(kept, ".")), .part = Part::kWhole};
}

std::vector<float> widened(const HostTensor& tensor) {
  std::vector<float> values(num_elements(tensor.shape));
  to_float32(tensor.dtype, tensor.data, values.size(), values.data());
  return values;
}

HostTensor owned(std::vector<float> values, const Shape& shape) {
  const auto owner = std::make_shared<const std::vector<float>>(std::move(values));  // shared with the tensor's copies
  return {.dtype = DType::kFloat32,
          .shape = shape,
          .data = reinterpret_cast<const std::byte*>(owner->data()),
          .owner = owner,
          .file = nullptr};
}

/// weight + scale * B A, or its transpose.
/// \param a, b  [rank, columns of the product], [rows of the product, rank]
HostTensor with_product(const HostTensor& weight, const HostTensor& a, const HostTensor& b, float scale,
                        bool transpose) {
  std::vector<float> values = widened(weight);
  const std::vector<float> left = widened(b);
  const std::vector<float> right = widened(a);
  const auto rows = static_cast<std::size_t>(b.shape[0]);
  const auto rank = static_cast<std::size_t>(b.shape[1]);
  const auto columns = static_cast<std::size_t>(a.shape[1]);
  std::vector<float> sums(columns);
  for (std::size_t row = 0; row < rows; ++row) {
    std::ranges::fill(sums, 0.0F);
    for (std::size_t k = 0; k < rank; ++k) {
      const float factor = left[row * rank + k];
      const float* source = right.data() + k * columns;
      for (std::size_t column = 0; column < columns; ++column) {
        sums[column] += factor * source[column];
      }
    }
    for (std::size_t column = 0; column < columns; ++column) {
      values[transpose ? column * rows + row : row * columns + column] += scale * sums[column];
    }
  }
  return owned(std::move(values), weight.shape);
}

HostTensor with_bias(const HostTensor& bias, const HostTensor& more, float scale) {
  std::vector<float> values = widened(bias);
  const std::vector<float> added = widened(more);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] += scale * added[i];
  }
  return owned(std::move(values), bias.shape);
}

struct Module {
  std::optional<HostTensor> a;
  std::optional<HostTensor> b;
  std::optional<HostTensor> bias;
};

/// Merges tensor by tensor and collects what does not fit.
class Merger {
 public:
  Merger(const LoraConfig& config, WeightMap& weights, const NameRule& rule)
      : config_(config), weights_(weights), rule_(rule) {}

  void merge(const std::string& module, const Module& parts) {
    if (!parts.a || !parts.b) {
      std::vector<std::string_view> present;
      std::vector<std::string_view> absent;
      (parts.a ? present : absent).emplace_back("lora_A");
      (parts.b ? present : absent).emplace_back("lora_B");
      if (parts.bias) {
        present.emplace_back("lora_B.bias");
      }
      problems_.push_back(
          fmt::format("{}: has {} and no {}", shown(module), fmt::join(present, " and "), fmt::join(absent, " and ")));
      return;
    }
    if (const auto name = name_of(module + ".weight")) {
      merge_product(module, *name, *parts.a, *parts.b);
    }
    if (!parts.bias) {
      return;
    }
    if (const auto name = name_of(module + ".bias")) {
      if (weights_.shape_of(*name) != parts.bias->shape) {
        misfit(module, *name, "lora_B.bias " + to_string(parts.bias->shape));
        return;
      }
      weights_.amend(*name, [more = *parts.bias, scale = config_.scale_of(module)](const HostTensor& bias) {
        return with_bias(bias, more, scale);
      });
      ++num_changed_;
    }
  }

  // A head that the base lacks is put beside its weights.
  void replace(const std::string& whole, const HostTensor& tensor) {
    if (const std::optional<std::string> name = rule_ ? rule_(whole) : whole) {
      weights_.put(*name, tensor);
      ++num_changed_;
    }
  }

  std::size_t finish(const std::filesystem::path& folder) const {
    if (!problems_.empty()) {
      const auto end = problems_.begin() + static_cast<std::ptrdiff_t>(std::min(problems_.size(), kMaxLines));
      std::string table = fmt::format("the adapter in {} does not fit the model: {} problems\n  {}", folder.string(),
                                      problems_.size(), fmt::join(problems_.begin(), end, "\n  "));
      if (problems_.size() > kMaxLines) {
        table += fmt::format("\n  ... and {} more", problems_.size() - kMaxLines);
      }
      throw Error(ErrorCode::kCorruptModel, table);
    }
    if (num_changed_ == 0) {
      throw Error(
          ErrorCode::kCorruptModel,
          fmt::format("the adapter in {} changes none of the model's weights, wanted one at least", folder.string()));
    }
    return num_changed_;
  }

 private:
  static std::string shown(std::string_view name) { return printable(name, kMaxNameBytes); }

  void misfit(const std::string& module, const std::string& name, const std::string& found) {
    problems_.push_back(fmt::format("{}: {} do not fit the weight of shape {}", shown(module), found,
                                    to_string(weights_.shape_of(name).value_or(Shape()))));
  }

  // The model's name of a weight; nothing if no model needs it, or, noted, if the base lacks it.
  std::optional<std::string> name_of(const std::string& checkpoint_name) {
    std::optional<std::string> name = rule_ ? rule_(checkpoint_name) : checkpoint_name;
    if (name && !weights_.has(*name)) {
      problems_.push_back(fmt::format("{}: the base model has no such weight", shown(checkpoint_name)));
      return std::nullopt;
    }
    return name;
  }

  void merge_product(const std::string& module, const std::string& name, const HostTensor& a, const HostTensor& b) {
    const Shape shape = weights_.shape_of(name).value_or(Shape());
    const bool matrices = a.shape.size() == 2 && b.shape.size() == 2 && a.shape[0] == b.shape[1];
    if (!matrices || shape.size() != 2) {
      misfit(module, name, fmt::format("lora_A {} and lora_B {}", to_string(a.shape), to_string(b.shape)));
      return;
    }
    if (const int rank = config_.rank_of(module); rank != a.shape[0]) {
      problems_.push_back(fmt::format("{}: has rank {}, adapter_config.json says {}", shown(module), a.shape[0], rank));
      return;
    }
    // An embedding's share is the transpose of B A, that of a weight stored [in, out] too. Where both ways fit a square
    // weight it is no embedding, and peft itself ignores fan_in_fan_out for the linear layers that our models have.
    const bool straight = shape == Shape{b.shape[0], a.shape[1]};
    if (!straight && shape != Shape{a.shape[1], b.shape[0]}) {
      misfit(module, name, fmt::format("lora_A {} and lora_B {}", to_string(a.shape), to_string(b.shape)));
      return;
    }
    weights_.amend(name, [a, b, scale = config_.scale_of(module), straight](const HostTensor& weight) {
      return with_product(weight, a, b, scale, !straight);
    });
    ++num_changed_;
  }

  const LoraConfig& config_;
  WeightMap& weights_;
  const NameRule& rule_;
  std::vector<std::string> problems_;
  std::size_t num_changed_ = 0;
};

}  // namespace

std::size_t merge_lora(const std::filesystem::path& folder, const LoraConfig& config, WeightMap& weights,
                       const NameRule& rule) {
  const std::filesystem::path path = folder / kWeightsFile;
  if (!std::filesystem::exists(path)) {
    const bool pickled = std::filesystem::exists(folder / "adapter_model.bin");
    throw Error(
        pickled ? ErrorCode::kUnsupported : ErrorCode::kCorruptModel,
        fmt::format("{} has no {}{}", folder.string(), kWeightsFile,
                    pickled ? ", only adapter_model.bin: pickled files can run code when they are opened, so they "
                              "are never read; save the adapter again with a current peft"
                            : " beside its adapter_config.json"));
  }
  std::map<std::string, Module> modules;
  std::map<std::string, HostTensor> whole;
  for (const auto& [name, stored] : read_safetensors(path)) {
    const Key key = parse_key(name);
    if (!stored.supported || !is_float(stored.tensor.dtype)) {
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{}: tensor '{}' has dtype {}, wanted float32, float16 or bfloat16", path.string(),
                              printable(name, kMaxNameBytes), stored.dtype));
    }
    const auto put = [&](std::optional<HostTensor>& place) {
      if (place) {
        throw Error(ErrorCode::kUnsupported, fmt::format("{}: '{}' has several adapters, wanted one", path.string(),
                                                         printable(key.module, kMaxNameBytes)));
      }
      place = stored.tensor;
    };
    switch (key.part) {
      case Part::kA: put(modules[key.module].a); break;
      case Part::kB: put(modules[key.module].b); break;
      case Part::kBiasOfB: put(modules[key.module].bias); break;
      case Part::kWhole: whole[key.module] = stored.tensor; break;
      case Part::kIgnored: break;
    }
  }
  Merger merger(config, weights, rule);
  for (const auto& [name, tensor] : whole) {
    merger.replace(name, tensor);
  }
  for (const auto& [module, parts] : modules) {
    merger.merge(module, parts);
  }
  return merger.finish(folder);
}

}  // namespace mlxe
