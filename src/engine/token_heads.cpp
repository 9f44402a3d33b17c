// Each layer is a file of its own with the two tensors of a torch Linear.
#include "engine/token_heads.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include <fmt/format.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/safetensors.h"

namespace mlxe {
namespace {

constexpr int kMaxWidth = 1 << 20;

/// \param out_features  wanted; nothing: as the file has it
LinearPart read_layer(const std::filesystem::path& path, int hidden_size, std::optional<int> out_features) {
  std::map<std::string, StoredTensor> stored = read_safetensors(path);
  const auto take = [&](const std::string& name, const Shape& wanted) {
    // A Dense module of sentence-transformers has the same layer below "linear.".
    auto found = stored.find(name);
    found = found == stored.end() ? stored.find("linear." + name) : found;
    if (found == stored.end()) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: has no tensor '{}'", path.string(), name));
    }
    const StoredTensor tensor = found->second;
    stored.erase(found);
    if (!tensor.supported || !is_float(tensor.tensor.dtype)) {
      throw Error(ErrorCode::kUnsupported, fmt::format("{}: '{}' has dtype {}, wanted float32, float16 or bfloat16",
                                                       path.string(), name, tensor.dtype));
    }
    if (tensor.tensor.shape != wanted) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: '{}' has shape {}, wanted {}", path.string(), name,
                                                        to_string(tensor.tensor.shape), to_string(wanted)));
    }
    return tensor.tensor;
  };
  if (!out_features) {
    const auto weight = std::ranges::find_if(stored, [](const auto& item) { return item.first.ends_with("weight"); });
    const Shape shape = weight == stored.end() ? Shape() : weight->second.tensor.shape;
    out_features = shape.empty() ? 1 : std::clamp(shape[0], 1, kMaxWidth);
  }
  LinearPart part{.weight = take("weight", {*out_features, hidden_size}), .bias = take("bias", {*out_features})};
  if (!stored.empty()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: holds '{}' too, wanted a weight and a bias", path.string(),
                                                      printable(stored.begin()->first, 100)));
  }
  return part;
}

}  // namespace

TokenHeads load_token_heads(const std::filesystem::path& folder, int hidden_size, const TextSettings& settings,
                            const Tokenizer& tokenizer, Backend& backend) {
  TokenHeads heads;
  const auto load = [&](const std::string& name, std::optional<int> out_features) -> std::optional<LinearWeight> {
    const std::filesystem::path path = folder / (name + ".safetensors");
    if (!std::filesystem::exists(path)) {
      const std::filesystem::path pickled = folder / (name + ".pt");
      heads.pickled = std::filesystem::exists(pickled) ? pickled : heads.pickled;
      return std::nullopt;
    }
    LinearPart part = read_layer(path, hidden_size, out_features);
    const int rows = part.weight.shape[0];
    heads.num_parameters += static_cast<std::size_t>(rows) * (static_cast<std::size_t>(hidden_size) + 1);
    return backend.linear_weight(std::array{std::move(part)});
  };
  heads.sparse = load("sparse_linear", 1);
  heads.colbert = load("colbert_linear", std::nullopt);
  heads.colbert_dim = heads.colbert ? heads.colbert->out_features : 0;
  for (const std::string& word : settings.weightless_tokens) {
    if (const std::optional<std::int32_t> id = tokenizer.token_to_id(word)) {
      heads.weightless_ids.push_back(*id);
    }
  }
  std::ranges::sort(heads.weightless_ids);
  return heads;
}

void expect_token_heads(const TokenHeads& heads) {
  if (heads.any()) {
    return;
  }
  if (heads.pickled.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "the model has no layers for lexical weights and vectors of tokens (sparse_linear.safetensors, "
                "colbert_linear.safetensors), wanted one like BGE-M3");
  }
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{} is pickled: such files can run code when they are opened, so they are never read. Convert "
                  "them once, in that folder: python -c \"import torch, safetensors.torch as s; "
                  "[s.save_file(torch.load(n + '.pt', weights_only=True, map_location='cpu'), n + "
                  "'.safetensors') for n in ('sparse_linear', 'colbert_linear')]\"",
                  heads.pickled.string()));
}

SparseVector lexical_weights(const TokenHeads& heads, std::span<const std::int32_t> ids,
                             std::span<const float> scores) {
  std::map<std::int32_t, float> weights;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (scores[i] > 0 && !std::ranges::binary_search(heads.weightless_ids, ids[i])) {
      float& weight = weights[ids[i]];
      weight = std::max(weight, scores[i]);
    }
  }
  SparseVector out;
  for (const auto& [id, weight] : weights) {
    out.ids.push_back(id);
    out.weights.push_back(weight);
  }
  return out;
}

}  // namespace mlxe
