// llama.cpp's names of tensors, architecture by architecture. Source: gguf-py/gguf/tensor_mapping.py and conversion/ of
// github.com/ggml-org/llama.cpp
#include "weights/gguf_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/utf8.h"
#include "mlxe/error.h"
#include "weights/gguf_blocks.h"

namespace mlxe {
namespace {

struct Name {
  std::string_view ours;    ///< without the ending .weight or .bias
  std::string_view theirs;  ///< in a layer: "encoder.layer.{}.output.dense"
};

constexpr std::array kBert = {
    Name{"token_embd", "embeddings.word_embeddings"},
    Name{"token_types", "embeddings.token_type_embeddings"},
    Name{"position_embd", "embeddings.position_embeddings"},
    Name{"token_embd_norm", "embeddings.LayerNorm"},
    Name{"attn_q", "encoder.layer.{}.attention.self.query"},
    Name{"attn_k", "encoder.layer.{}.attention.self.key"},
    Name{"attn_v", "encoder.layer.{}.attention.self.value"},
    Name{"attn_output", "encoder.layer.{}.attention.output.dense"},
    Name{"attn_output_norm", "encoder.layer.{}.attention.output.LayerNorm"},
    Name{"ffn_up", "encoder.layer.{}.intermediate.dense"},
    Name{"ffn_down", "encoder.layer.{}.output.dense"},
    Name{"layer_output_norm", "encoder.layer.{}.output.LayerNorm"},
};

constexpr std::array kNomicBert = {
    Name{"token_embd", "embeddings.word_embeddings"},
    Name{"token_types", "embeddings.token_type_embeddings"},
    Name{"token_embd_norm", "emb_ln"},
    Name{"attn_qkv", "encoder.layers.{}.attn.Wqkv"},
    Name{"attn_output", "encoder.layers.{}.attn.out_proj"},
    Name{"attn_output_norm", "encoder.layers.{}.norm1"},
    Name{"ffn_up", "encoder.layers.{}.mlp.fc11"},
    Name{"ffn_gate", "encoder.layers.{}.mlp.fc12"},
    Name{"ffn_down", "encoder.layers.{}.mlp.fc2"},
    Name{"layer_output_norm", "encoder.layers.{}.norm2"},
};

constexpr std::array kJinaBert = {
    Name{"token_embd", "embeddings.word_embeddings"},
    Name{"token_types", "embeddings.token_type_embeddings"},
    Name{"token_embd_norm", "embeddings.LayerNorm"},
    Name{"attn_q", "encoder.layer.{}.attention.self.query"},
    Name{"attn_k", "encoder.layer.{}.attention.self.key"},
    Name{"attn_v", "encoder.layer.{}.attention.self.value"},
    Name{"attn_output", "encoder.layer.{}.attention.output.dense"},
    Name{"attn_output_norm", "encoder.layer.{}.attention.output.LayerNorm"},
    Name{"ffn_up", "encoder.layer.{}.mlp.gated_layers"},
    Name{"ffn_down", "encoder.layer.{}.mlp.wo"},
    Name{"layer_output_norm", "encoder.layer.{}.mlp.layernorm"},
};

// With norms of queries and keys: jina-embeddings-v2-base-code.
constexpr std::array kJinaBertWithNorms = {
    Name{"token_embd", "embeddings.word_embeddings"},
    Name{"token_types", "embeddings.token_type_embeddings"},
    Name{"token_embd_norm", "embeddings.LayerNorm"},
    Name{"attn_q", "encoder.layer.{}.attention.self.query"},
    Name{"attn_q_norm", "encoder.layer.{}.attention.self.layer_norm_q"},
    Name{"attn_k", "encoder.layer.{}.attention.self.key"},
    Name{"attn_k_norm", "encoder.layer.{}.attention.self.layer_norm_k"},
    Name{"attn_v", "encoder.layer.{}.attention.self.value"},
    Name{"attn_output", "encoder.layer.{}.attention.output.dense"},
    Name{"attn_output_norm", "encoder.layer.{}.attention.output.LayerNorm"},
    Name{"attn_norm_2", "encoder.layer.{}.layer_norm_1"},
    Name{"ffn_up", "encoder.layer.{}.mlp.up_gated_layer"},
    Name{"ffn_down", "encoder.layer.{}.mlp.down_layer"},
    Name{"layer_output_norm", "encoder.layer.{}.layer_norm_2"},
};

constexpr std::array kModernBert = {
    Name{"token_embd", "embeddings.tok_embeddings"},
    Name{"token_embd_norm", "embeddings.norm"},
    Name{"attn_norm", "layers.{}.attn_norm"},
    Name{"attn_qkv", "layers.{}.attn.Wqkv"},
    Name{"attn_output", "layers.{}.attn.Wo"},
    Name{"ffn_norm", "layers.{}.mlp_norm"},
    Name{"ffn_up", "layers.{}.mlp.Wi"},
    Name{"ffn_down", "layers.{}.mlp.Wo"},
    Name{"output_norm", "final_norm"},
};

constexpr std::array kDecoder = {
    Name{"token_embd", "embed_tokens"},
    Name{"output_norm", "norm"},
    Name{"output", "lm_head"},
    Name{"attn_norm", "layers.{}.input_layernorm"},
    Name{"attn_q", "layers.{}.self_attn.q_proj"},
    Name{"attn_k", "layers.{}.self_attn.k_proj"},
    Name{"attn_v", "layers.{}.self_attn.v_proj"},
    Name{"attn_output", "layers.{}.self_attn.o_proj"},
    Name{"attn_q_norm", "layers.{}.self_attn.q_norm"},
    Name{"attn_k_norm", "layers.{}.self_attn.k_norm"},
    Name{"ffn_norm", "layers.{}.post_attention_layernorm"},
    Name{"ffn_gate", "layers.{}.mlp.gate_proj"},
    Name{"ffn_up", "layers.{}.mlp.up_proj"},
    Name{"ffn_down", "layers.{}.mlp.down_proj"},
};

constexpr std::array kGemma = {
    Name{"token_embd", "embed_tokens"},
    Name{"output_norm", "norm"},
    Name{"output", "lm_head"},
    Name{"attn_norm", "layers.{}.input_layernorm"},
    Name{"attn_q", "layers.{}.self_attn.q_proj"},
    Name{"attn_k", "layers.{}.self_attn.k_proj"},
    Name{"attn_v", "layers.{}.self_attn.v_proj"},
    Name{"attn_output", "layers.{}.self_attn.o_proj"},
    Name{"attn_q_norm", "layers.{}.self_attn.q_norm"},
    Name{"attn_k_norm", "layers.{}.self_attn.k_norm"},
    Name{"post_attention_norm", "layers.{}.post_attention_layernorm"},
    Name{"ffn_norm", "layers.{}.pre_feedforward_layernorm"},
    Name{"post_ffw_norm", "layers.{}.post_feedforward_layernorm"},
    Name{"ffn_gate", "layers.{}.mlp.gate_proj"},
    Name{"ffn_up", "layers.{}.mlp.up_proj"},
    Name{"ffn_down", "layers.{}.mlp.down_proj"},
};

struct Family {
  std::string_view name;
  std::span<const Name> names;
};

constexpr std::array kFamilies = {
    Family{"bert", kBert},
    Family{"roberta", kBert},
    Family{"nomic-bert", kNomicBert},
    Family{"jina-bert-v2", kJinaBert},
    Family{"jina-bert-v2 with norms", kJinaBertWithNorms},
    Family{"modern-bert", kModernBert},
    Family{"qwen2", kDecoder},
    Family{"qwen3", kDecoder},
    Family{"llama", kDecoder},
    Family{"gemma-embedding", kGemma},
};

constexpr int kPositionsInFront = 2;  // that RoBERTa counts from: pad_token_id + 1

/// "blk.3.attn_q.weight" in its three parts; without a layer, the number is empty.
struct Parts {
  std::string_view layer;
  std::string_view middle;
  std::string_view ending;
};

std::optional<Parts> take_apart(std::string_view name) {
  Parts parts;
  if (name.starts_with("blk.")) {
    name.remove_prefix(4);
    const std::size_t dot = name.find('.');
    int number = -1;
    if (dot == std::string_view::npos ||
        std::from_chars(name.data(), name.data() + dot, number).ptr != name.data() + dot || number < 0) {
      return std::nullopt;
    }
    parts.layer = name.substr(0, dot);
    name.remove_prefix(dot + 1);
  }
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) {
    return std::nullopt;
  }
  parts.middle = name.substr(0, dot);
  parts.ending = name.substr(dot + 1);
  return parts.ending == "weight" || parts.ending == "bias" ? std::optional(parts) : std::nullopt;
}

int heads_of(const GgufFile& file, const std::string& key) {
  const std::int64_t heads = file.integer("llama." + key).value_or(0);
  if (heads < 1 || heads > (1 << 16)) {
    throw Error(ErrorCode::kCorruptModel,
                fmt::format("{}: 'llama.{}' is {}, wanted a number of heads", file.path().string(), key, heads));
  }
  return static_cast<int>(heads);
}

GgufRepair repair_of(const GgufFile& file, std::string_view family, std::string_view middle) {
  GgufRepair repair;
  if (family == "roberta" && middle == "position_embd") {
    repair.rows_in_front = kPositionsInFront;
  }
  if (family == "llama" && middle == "attn_q") {
    repair.heads_taken_apart = heads_of(file, "attention.head_count");
  }
  if (family == "llama" && middle == "attn_k") {
    repair.heads_taken_apart =
        heads_of(file, file.has("llama.attention.head_count_kv") ? "attention.head_count_kv" : "attention.head_count");
  }
  if (family == "gemma-embedding" && middle.ends_with("_norm")) {
    repair.subtracted = 1.0F;  // the model adds it, llama.cpp's does not
  }
  return repair;
}

[[noreturn]] void refuse_tensor(const GgufFile& file, const std::string& name, std::string_view family,
                                std::string_view text) {
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: tensor '{}' of '{}' {}", file.path().string(), printable(name, 100), family, text));
}

}  // namespace

std::string gguf_family(const GgufFile& file) {
  const std::string architecture = file.text("general.architecture").value_or("");
  if (architecture == "nomic-bert-moe") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: architecture 'nomic-bert-moe': llama.cpp leaves out the bias of its experts, so the "
                            "file cannot give the model's vectors; take its safetensors",
                            file.path().string()));
  }
  if (architecture == "bert") {
    return file.text("tokenizer.ggml.model").value_or("bert") == "bert" ? "bert" : "roberta";
  }
  if (architecture == "jina-bert-v2" && file.tensors().contains("blk.0.attn_q_norm.weight")) {
    return "jina-bert-v2 with norms";
  }
  if (std::ranges::find(kFamilies, architecture, &Family::name) == kFamilies.end() || architecture == "roberta") {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{}: architecture '{}' is not supported in GGUF files, wanted bert, nomic-bert, "
                            "jina-bert-v2, modern-bert, qwen2, qwen3, llama or gemma-embedding",
                            file.path().string(), printable(architecture, 60)));
  }
  return architecture;
}

Checkpoint gguf_checkpoint(const GgufFile& file, const std::string& family) {
  const std::span<const Name> names = std::ranges::find(kFamilies, family, &Family::name)->names;
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : file.tensors()) {
    if (name == "rope_freqs.weight") {
      refuse_tensor(file, name, family, "scales its rope, which the file has no settings for; take its safetensors");
    }
    if (name.starts_with("cls.")) {
      refuse_tensor(file, name, family, "belongs to a classifier or reranker, which is only read from safetensors");
    }
    if (name.starts_with("dense_")) {
      refuse_tensor(file, name, family, "is a Dense module, which is only read from safetensors");
    }
    const std::optional<Parts> parts = take_apart(name);
    const auto known =
        parts ? std::ranges::find_if(names,
                                     [&](const Name& entry) {
                                       const bool in_layer = entry.theirs.find("{}") != std::string::npos;
                                       return entry.ours == parts->middle && in_layer == !parts->layer.empty();
                                     })
              : names.end();
    if (known == names.end()) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: tensor '{}' is none that the architecture '{}' has",
                                                        file.path().string(), printable(name, 100), family));
    }
    const std::string theirs =
        fmt::format("{}.{}", fmt::format(fmt::runtime(known->theirs), parts->layer), parts->ending);
    checkpoint.emplace(theirs, stored_tensor(file, name, repair_of(file, family, parts->middle)));
  }
  return checkpoint;
}

}  // namespace mlxe
