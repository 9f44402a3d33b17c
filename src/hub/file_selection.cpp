// Names of files as transformers and sentence-transformers write them.
#include "hub/file_selection.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/utf8.h"
#include "hub/gguf_choice.h"
#include "hub/model_name.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kModules = "modules.json";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr std::string_view kWeights = "model.safetensors";
constexpr std::string_view kAdapter = "adapter_model.safetensors";

// Of the top folder and of a module's: configuration, tokenizer, prompts, templates, processors.
constexpr auto kSmallFiles = std::to_array<std::string_view>({
    "config.json",
    "modules.json",
    "adapter_config.json",
    "router_config.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
    "artifact.metadata",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "chat_template.json",
    "chat_template.jinja",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "generation_config.json",
    "quantize_config.json",
    "quantization_config.json",
    "recipe.yaml",
    "model.safetensors.index.json",
});

std::string_view base_name(std::string_view name) {
  return name.substr(name.rfind('/') + 1);  // npos + 1 is 0
}

bool is_small_file(std::string_view name) {
  return std::ranges::find(kSmallFiles, base_name(name)) != kSmallFiles.end() ||
         (name.starts_with("additional_chat_templates/") && name.ends_with(".jinja"));
}

bool contains(const std::vector<RemoteFile>& files, std::string_view name) {
  return std::ranges::find(files, name, &RemoteFile::name) != files.end();
}

/// The folders of modules.json, "" left out.
std::vector<std::string> module_folders(std::string_view text, std::string_view where) {
  const std::string what = fmt::format("{} of {}", kModules, where);
  const Json modules = parse_json(text, what);
  std::vector<std::string> folders;
  if (!modules.is_array()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: wanted a list of modules", what));
  }
  for (const Json& module : modules) {
    std::string path = module.is_object() ? module.value("path", std::string()) : std::string();
    while (path.ends_with('/')) {
      path.pop_back();
    }
    if (path.empty() || path == ".") {
      continue;
    }
    if (!is_safe_file_name(path)) {
      throw Error(ErrorCode::kCorruptModel, fmt::format("{}: a module lies in '{}', wanted a folder of the repository",
                                                        what, printable(path, 100)));
    }
    folders.push_back(std::move(path));
  }
  return folders;
}

/// The shards that the index lists.
std::set<std::string> shards_of(std::string_view text, const std::vector<RemoteFile>& files, std::string_view where) {
  const std::string what = fmt::format("{} of {}", kIndex, where);
  const JsonFields index(parse_json(text, what), what);
  const JsonFields map(index.at("weight_map"), what + ": 'weight_map'");
  std::set<std::string> shards;
  std::vector<std::string> missing;
  for (const auto& [tensor, ignored] : map.json().items()) {
    const std::string shard = map.text(tensor);
    if (!is_safe_file_name(shard) || !shard.ends_with(".safetensors")) {
      throw Error(
          ErrorCode::kCorruptModel,
          fmt::format("{}: a tensor is put into '{}', wanted a file of the repository that ends in .safetensors", what,
                      printable(shard, 100)));
    }
    if (shards.insert(shard).second && !contains(files, shard)) {
      missing.push_back(shard);
    }
  }
  if (!missing.empty()) {
    std::ranges::sort(missing);
    throw Error(ErrorCode::kCorruptModel, fmt::format("{} lists {} shards that are not in the repository: {}", what,
                                                      missing.size(), fmt::join(missing, ", ")));
  }
  return shards;
}

[[noreturn]] void throw_no_weights(const std::vector<RemoteFile>& files, std::string_view where) {
  std::vector<std::string> others;
  for (const RemoteFile& file : files) {
    for (const std::string_view ending : {".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".npz", ".ot"}) {
      if (file.name.ends_with(ending)) {
        others.push_back(printable(file.name, 100));
      }
    }
  }
  if (others.empty()) {
    throw Error(ErrorCode::kUnsupported,
                fmt::format("{} has no weights: none of its {} files ends in .safetensors", where, files.size()));
  }
  constexpr std::size_t kShown = 5;
  const bool cut = others.size() > kShown;
  others.resize(std::min(others.size(), kShown));
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format(
          "{} has weights only as {}{}, wanted safetensors; pickled files can run code, so they are never read. "
          "Many such repositories have a conversion as a pull request: try --revision refs/pr/1, or convert "
          "them with the hub's space safetensors/convert",
          where, fmt::join(others, ", "), cut ? " and others" : ""));
}

}  // namespace

std::vector<std::string> ggufs_of(const std::vector<RemoteFile>& files) {
  std::vector<std::string> names;
  for (const RemoteFile& file : files) {
    if (file.name.ends_with(".gguf") && file.name.find('/') == std::string::npos) {
      names.push_back(file.name);
    }
  }
  return names;
}

std::vector<std::string> select_first(const std::vector<RemoteFile>& files) {
  const bool wants_index = !contains(files, kWeights);
  std::vector<std::string> names;
  for (const RemoteFile& file : files) {
    const bool on_top = file.name.find('/') == std::string::npos || file.name.starts_with("additional_chat_templates/");
    if (on_top && is_small_file(file.name) && (wants_index || file.name != kIndex)) {
      names.push_back(file.name);
    }
  }
  return names;
}

std::vector<std::string> select_rest(const std::vector<RemoteFile>& files,
                                     const std::function<std::string(const std::string&)>& read, std::string_view where,
                                     const std::optional<std::string>& gguf) {
  std::set<std::string> names;
  bool has_weights = false;
  if (gguf) {
    names.insert(*choose_gguf(ggufs_of(files), gguf, where));
    has_weights = true;
  } else if (contains(files, kWeights)) {
    names.emplace(kWeights);
    has_weights = true;
  } else if (contains(files, kIndex)) {
    names = shards_of(read(std::string(kIndex)), files, where);
    has_weights = true;
  }
  if (!gguf && contains(files, kAdapter)) {
    names.emplace(kAdapter);
    has_weights = true;
  }
  const std::vector<std::string> folders =
      contains(files, kModules) ? module_folders(read(std::string(kModules)), where) : std::vector<std::string>();
  for (const RemoteFile& file : files) {
    for (const std::string& folder : folders) {
      if (!file.name.starts_with(folder + "/")) {
        continue;
      }
      const bool weights = file.name.ends_with(".safetensors");
      if (weights || is_small_file(file.name)) {
        names.insert(file.name);
        has_weights = has_weights || weights;
      }
    }
  }
  if (!has_weights) {
    const auto chosen = choose_gguf(ggufs_of(files), std::nullopt, where);
    if (!chosen) {
      throw_no_weights(files, where);
    }
    names.insert(*chosen);
  }
  return {names.begin(), names.end()};
}

}  // namespace mlxe
