// Finding a folder's weight files and reading shards as one checkpoint.
#include "weights/checkpoint_files.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "base/utf8.h"
#include "mlxe/error.h"

namespace mlxe {
namespace {

constexpr std::string_view kSingleFile = "model.safetensors";
constexpr std::string_view kIndexFile = "model.safetensors.index.json";

/// A link whose target is gone counts as present: reading it then says what is wrong.
bool is_present(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::symlink_status(path, error).type() != std::filesystem::file_type::not_found;
}

/// A name that is safe to show inside a shell command that users copy.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return name.find_first_not_of(kPlain) == std::string_view::npos;
}

/// The folder's plainly named files with one of these endings, sorted.
std::vector<std::string> files_ending_in(const std::filesystem::path& folder,
                                         std::initializer_list<std::string_view> endings) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    if (is_plain_name(name) &&
        std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); })) {
      names.push_back(std::move(name));
    }
  }
  std::ranges::sort(names);
  return names;
}

[[noreturn]] void throw_no_weights(const std::filesystem::path& folder) {
  std::vector<std::string> pickled = files_ending_in(folder, {".bin", ".pt", ".pth", ".ckpt"});
  std::erase(pickled, "training_args.bin");
  if (!pickled.empty()) {
    // Converts what torch's own loader of plain tensors accepts; clone() separates tensors that share memory.
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("{} has its weights only as {}: pickled files can run code when they are opened, so they are never "
                    "read. Convert them once, in that folder: python -c \"import torch, safetensors.torch as s; "
                    "s.save_file({{k: v.clone() for f in {} for k, v in torch.load(f, weights_only=True, "
                    "map_location='cpu').items()}}, '{}')\"",
                    folder.string(), fmt::join(pickled, ", "), fmt::format("['{}']", fmt::join(pickled, "', '")),
                    kSingleFile));
  }
  const std::vector<std::string> others =
      files_ending_in(folder, {".safetensors", ".gguf", ".onnx", ".h5", ".msgpack", ".npz"});
  if (!others.empty()) {
    throw Error(ErrorCode::kUnsupported, fmt::format("{} has weights only as {}, wanted {} or {}", folder.string(),
                                                     fmt::join(others, ", "), kSingleFile, kIndexFile));
  }
  throw Error(ErrorCode::kCorruptModel,
              fmt::format("{} has no weights, wanted {} or {}", folder.string(), kSingleFile, kIndexFile));
}

/// The index's shards, each with the tensors that it must hold.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const JsonFields index(load_json(path), path.string());
  const JsonFields weight_map(index.at("weight_map"), fmt::format("{}: 'weight_map'", path.string()));
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, value] : weight_map.json().items()) {
    std::string shard = weight_map.text(tensor);
    if (!is_safe_shard_name(shard)) {
      throw Error(ErrorCode::kCorruptModel,
                  fmt::format("{}: tensor '{}' is put into '{}', wanted a plain file name that ends in .safetensors",
                              path.string(), printable(tensor, 100), printable(shard, 100)));
    }
    shards[std::move(shard)].push_back(tensor);
  }
  if (shards.empty()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: 'weight_map' names no tensors", path.string()));
  }
  return shards;
}

std::map<std::string, StoredTensor> read_shards(const std::filesystem::path& folder) {
  const std::filesystem::path index = folder / kIndexFile;
  const auto shards = read_index(index);
  std::vector<std::string> missing;
  for (const auto& [shard, names] : shards) {
    if (!std::filesystem::exists(folder / shard)) {
      missing.push_back(shard);
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::kCorruptModel, fmt::format("{}: {} of {} shards are missing: {}", index.string(),
                                                      missing.size(), shards.size(), fmt::join(missing, ", ")));
  }
  std::map<std::string, StoredTensor> all;
  std::map<std::string, std::string> shard_of;
  for (const auto& [shard, names] : shards) {
    std::map<std::string, StoredTensor> tensors = read_safetensors(folder / shard);
    for (const std::string& name : names) {
      if (!tensors.contains(name)) {
        throw Error(ErrorCode::kCorruptModel, fmt::format("{}: tensor '{}' is put into {}, which does not have it",
                                                          index.string(), printable(name, 100), shard));
      }
    }
    for (auto& [name, tensor] : tensors) {
      const auto [place, is_new] = shard_of.emplace(name, shard);
      if (!is_new) {
        throw Error(ErrorCode::kCorruptModel, fmt::format("{}: tensor '{}' is in both {} and {}", index.string(),
                                                          printable(name, 100), place->second, shard));
      }
      all.emplace(name, std::move(tensor));
    }
  }
  return all;
}

}  // namespace

bool is_safe_shard_name(std::string_view name) {
  // ':' would be a drive letter or a stream on Windows; a control character (NUL above all) ends names early.
  const bool plain = std::ranges::none_of(name, [](char letter) {
    return letter == '/' || letter == '\\' || letter == ':' || static_cast<unsigned char>(letter) < 0x20;
  });
  return plain && name.size() <= 255 && name.find("..") == std::string_view::npos && !name.starts_with('.') &&
         name.ends_with(".safetensors");
}

std::map<std::string, StoredTensor> read_checkpoint(const std::filesystem::path& folder) {
  if (is_present(folder / kSingleFile)) {
    return read_safetensors(folder / kSingleFile);
  }
  if (is_present(folder / kIndexFile)) {
    return read_shards(folder);
  }
  throw_no_weights(folder);
}

}  // namespace mlxe
