// Taking the weights of a decoder: layers by the names that Llama gave them, and the heads on top.
#include "models/shared/decoder_weights.h"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mlxe/error.h"
#include "models/shared/host_tensor.h"

namespace mlxe {
namespace {

std::optional<int> rows_of(const WeightMap& weights, std::string_view name) {
  const std::optional<Shape> shape = weights.shape_of(name);
  return shape && shape->size() == 2 ? std::optional(shape->front()) : std::nullopt;
}

// The rightmost token that is no padding, or the first one if all are: an end token that doubles as padding is passed
// over even where a text ends with it. Source: GenericForSequenceClassification in transformers/modeling_layers.py
std::vector<std::int32_t> last_own_tokens(const PackedBatch& batch, std::optional<int> pad_token_id) {
  std::vector<std::int32_t> tokens;
  for (std::size_t row = 0; row + 1 < batch.offsets.size(); ++row) {
    const std::int32_t first = batch.offsets[row];
    std::int32_t last = batch.offsets[row + 1] - 1;
    while (last > first && pad_token_id == batch.token_ids[static_cast<std::size_t>(last)]) {
      --last;
    }
    tokens.push_back(last);
  }
  return tokens;
}

std::vector<std::int32_t> marked_tokens(const PackedBatch& batch, const std::vector<std::int32_t>& marks) {
  std::vector<std::int32_t> tokens;
  for (std::size_t token = 0; token < batch.token_ids.size(); ++token) {
    if (std::ranges::find(marks, batch.token_ids[token]) != marks.end()) {
      tokens.push_back(static_cast<std::int32_t>(token));
    }
  }
  return tokens;
}

}  // namespace

DecoderAttention take_attention(WeightMap& weights, Backend& backend, const std::string& name,
                                const DecoderConfig& config, const DecoderParts& parts, const AttentionNames& names) {
  const int q_width = config.num_attention_heads * config.head_dim;
  const int kv_width = config.num_key_value_heads * config.head_dim;
  const auto part = [&](const char* projection, int width) {
    return take_part(weights, name + projection, width, config.hidden_size, parts.qkv_bias);
  };
  DecoderAttention attention = {
      .qkv = backend.linear_weight(
          std::array{part(".q_proj", q_width), part(".k_proj", kv_width), part(".v_proj", kv_width)}),
      .output = take_linear(weights, backend, fmt::format("{}.{}", name, names.output), config.hidden_size, q_width,
                            parts.output_bias),
      .q_norm = std::nullopt,
      .k_norm = std::nullopt,
      .sinks = {},
      .spec = config.attention(),
  };
  if (parts.has_qk_norm) {
    const auto norm = [&](std::string_view which) {
      return take_rms_norm(weights, backend, fmt::format("{}.{}", name, which), config.head_dim, parts.norm_offset);
    };
    attention.q_norm = norm(names.q_norm);
    attention.k_norm = norm(names.k_norm);
  }
  return attention;
}

GatedMlp take_gated_mlp(WeightMap& weights, Backend& backend, const std::string& name, const DecoderConfig& config,
                        Bias bias, Activation activation) {
  const auto part = [&](const char* projection) {
    return take_part(weights, name + projection, config.intermediate_size, config.hidden_size, bias);
  };
  return {
      .gate_up = backend.linear_weight(std::array{part(".gate_proj"), part(".up_proj")}),
      .down = take_linear(weights, backend, name + ".down_proj", config.hidden_size, config.intermediate_size, bias),
      .gate = {.activation = activation}};
}

DecoderHead::DecoderHead(WeightMap& weights, Backend& backend, const DecoderConfig& config, const HeadSpec& spec)
    : kind_(spec.kind), pad_token_id_(config.pad_token_id), token_ids_(spec.token_ids) {
  const int hidden = config.hidden_size;
  switch (spec.kind) {
    case HeadKind::kNone:
    case HeadKind::kMarkedTokens: break;
    case HeadKind::kSequence:
      output_ = take_linear(weights, backend, "score", spec.num_labels, hidden, Bias::kNone);
      break;
    case HeadKind::kToken: output_ = take_linear(weights, backend, "score", spec.num_labels, hidden); break;
    case HeadKind::kMaskedLm:
      throw Error(ErrorCode::kUnsupported, "a decoder has no logits of masked words, only of the next one");
    case HeadKind::kNextToken: {
      for (const std::int32_t id : spec.token_ids) {
        if (id < 0 || id >= config.vocab_size) {
          throw Error(ErrorCode::kInvalidInput,
                      fmt::format("token id {} has no logit, wanted 0 to {}", id, config.vocab_size - 1));
        }
      }
      const Shape shape = {config.vocab_size, hidden};
      const HostTensor table = config.tie_word_embeddings ? weights.borrow("embed_tokens.weight", shape)
                                                          : weights.take("lm_head.weight", shape);
      output_ = backend.linear_weight(
          std::array{LinearPart{.weight = select_rows(table, spec.token_ids), .bias = std::nullopt}});
      break;
    }
  }
  if (spec.kind == HeadKind::kMarkedTokens) {
    // jina-reranker-v3's widths stand nowhere but in its weights.
    const int inner = rows_of(weights, "projector.0.weight").value_or(hidden / 2);
    output_ = take_linear(weights, backend, "projector.0", inner, hidden, Bias::kNone);
    projection_ = take_linear(weights, backend, "projector.2", rows_of(weights, "projector.2.weight").value_or(inner),
                              inner, Bias::kNone);
  }
  // Heads of other tasks; tied checkpoints may hold a copy of the embeddings.
  for (const char* prefix : {"lm_head.", "score.", "projector."}) {
    weights.allow_unused(prefix);
  }
}

TokenChoice DecoderHead::tokens_of_logits(const PackedBatch& batch) const {
  switch (kind_) {
    case HeadKind::kSequence: return last_own_tokens(batch, pad_token_id_);
    case HeadKind::kNextToken: return last_tokens(batch);
    case HeadKind::kMarkedTokens: return marked_tokens(batch, token_ids_);
    default: return std::nullopt;
  }
}

Tensor DecoderHead::logits(Ops& ops, const Tensor& hidden) const {
  return kind_ == HeadKind::kMarkedTokens ? ops.linear(ops.linear(hidden, output_, Activation::kRelu), projection_)
                                          : ops.linear(hidden, output_);
}

Tensor DecoderModel::look_up(Ops& ops, const PackedBatch& batch) const {
  return ops.gather_sum(std::array{Lookup{&embeddings_, batch.token_ids}});
}

std::optional<std::string> decoder_weight_name(std::string_view checkpoint_name) {
  std::string_view name = checkpoint_name;
  if (name.starts_with("model.")) {
    name.remove_prefix(6);
  }
  if (name.ends_with("rotary_emb.inv_freq")) {
    return std::nullopt;
  }
  return std::string(name);
}

}  // namespace mlxe
