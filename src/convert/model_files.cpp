// The kinds of files that loaders read, by their names.
#include "convert/model_files.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/files.h"
#include "convert/staged_folder.h"
#include "mlxe/error.h"
#include "weights/checkpoint_files.h"

namespace mlxe {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 3;
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30U;  // the largest tokenizers have some tens of megabytes

// Files of code go along as in the seed; they are never run here.
constexpr std::array<std::string_view, 8> kEndings = {".json", ".jinja",    ".txt",      ".model",
                                                      ".py",   ".tiktoken", ".metadata", ".jsonl"};
constexpr std::array<std::string_view, 4> kHeads = {"sparse_linear.safetensors", "colbert_linear.safetensors",
                                                    "sparse_linear.pt", "colbert_linear.pt"};
constexpr std::array<std::string_view, 5> kOtherForms = {"onnx", "openvino", "coreml", "gguf", "runs"};

bool is_kept(std::string_view name) {
  if (name.ends_with(".index.json") || name == "quantization_report.json") {
    return false;
  }
  return std::ranges::any_of(kEndings, [&](std::string_view ending) { return name.ends_with(ending); }) ||
         std::ranges::find(kHeads, name) != kHeads.end() || name.starts_with("LICENSE") || name.starts_with("NOTICE");
}

bool has_weights(const fs::path& folder) {
  return fs::exists(folder / "model.safetensors") || fs::exists(folder / "model.safetensors.index.json");
}

void look_through(const fs::path& root, const fs::path& relative, int depth, ModelFiles& files) {
  const fs::path folder = root / relative;
  if (has_weights(folder)) {
    files.weighted.push_back(relative);
  }
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    entries.push_back(entry);
  }
  if (error) {
    throw Error(ErrorCode::kIo, fmt::format("cannot read {}: {}", folder.string(), error.message()));
  }
  std::ranges::sort(entries);
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) {
      continue;
    }
    if (entry.is_directory(error)) {
      if (depth < kMaxDepth && std::ranges::find(kOtherForms, name) == kOtherForms.end()) {
        look_through(root, relative / name, depth + 1, files);
      }
    } else if (entry.is_regular_file(error) && is_kept(name)) {
      files.copied.push_back(relative / name);
      files.copied_bytes += entry.file_size(error);
    }
  }
}

}  // namespace

ModelFiles find_model_files(const fs::path& folder) {
  ModelFiles files;
  look_through(folder, "", 0, files);
  return files;
}

fs::path transformer_part(const ModelFiles& files, const fs::path& folder) {
  for (const fs::path part : {"", "0_Transformer", "0_StaticEmbedding", "0_WordEmbeddings"}) {
    if (std::ranges::find(files.weighted, part) != files.weighted.end()) {
      return part;
    }
  }
  static_cast<void>(read_checkpoint(folder));  // says what is wrong
  throw Error(ErrorCode::kInternal, "weights that were not found could be read");
}

void copy_files(const ModelFiles& files, const fs::path& from, const fs::path& to) {
  for (const fs::path& file : files.copied) {
    std::error_code error;
    fs::create_directories((to / file).parent_path(), error);
    write_text(to / file, read_file(from / file, kMaxFileBytes));
  }
}

}  // namespace mlxe
