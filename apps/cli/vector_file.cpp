// The three file formats: a header of fixed size whose row count is filled in at the end, or lines.
#include "vector_file.h"

#include <csignal>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/files.h"
#include "json_text.h"
#include "mlxe/error.h"

namespace mlxe::cli {
namespace {

std::string_view bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// NumPy's format 1.0: magic, version, length of the rest as two bytes, a Python dictionary, spaces, newline.
std::string npy_header(std::size_t rows, int dim) {
  constexpr std::size_t kSize = 128;  // a multiple of 64, as the format asks; holds any row count
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(kSize - 10);
  header += '\0';
  header += fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, dim);
  header.resize(kSize - 1, ' ');
  header += '\n';
  return header;
}

// safetensors: the length of the JSON as eight bytes, the JSON padded with spaces to a multiple of eight, the data.
std::string safetensors_header(std::size_t rows, int dim, std::string_view model) {
  constexpr std::size_t kRoomForNumbers = 64;  // 20 digits for each of rows and bytes, and change
  const auto json = [&](std::size_t count) {
    return fmt::format(
        R"({{"__metadata__":{{"model":{}}},"embeddings":{{"dtype":"F32","shape":[{},{}],"data_offsets":[0,{}]}}}})",
        json_string(model), count, dim, count * static_cast<std::size_t>(dim) * sizeof(float));
  };
  const std::size_t size = (json(0).size() + kRoomForNumbers) / 8 * 8;
  std::string header;
  for (std::size_t shift = 0; shift < 64; shift += 8) {
    header += static_cast<char>((size >> shift) & 0xFF);
  }
  header += json(rows);
  header.resize(size + 8, ' ');
  return header;
}

}  // namespace

VectorFormat vector_format(const std::string& path, const std::optional<std::string>& name) {
  const std::string ending = name ? "." + *name : std::filesystem::path(path).extension().string();
  if (ending == ".npy") {
    return VectorFormat::kNpy;
  }
  if (ending == ".safetensors") {
    return VectorFormat::kSafetensors;
  }
  if (ending == ".jsonl") {
    return VectorFormat::kJsonLines;
  }
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("cannot tell the format of '{}': its ending is '{}', wanted .npy, .jsonl or .safetensors, or "
                          "--format",
                          path, ending));
}

void append_json_line(std::string& out, const Embeddings& embeddings, std::size_t row, std::size_t index) {
  const ItemReport& item = embeddings.items[row];
  fmt::format_to(std::back_inserter(out), R"({{"index":{},"tokens":{},"tokens_in_text":{},"truncated":{},"embedding":)",
                 index, item.tokens, item.tokens_in_text, item.truncated());
  append_numbers(out, embeddings.row(row));
  out += "}\n";
}

struct VectorFile::State {
  AtomicFile file;
  VectorFormat format;
  std::string model;
  std::size_t rows = 0;
  int dim = 0;
  std::vector<float> waiting;  // rows for a direct file, until their number is known

  [[nodiscard]] std::string header() const {
    return format == VectorFormat::kNpy ? npy_header(rows, dim) : safetensors_header(rows, dim, model);
  }
};

VectorFile::VectorFile(const std::string& path, VectorFormat format, std::string model) {
  state_ = std::unique_ptr<State>(new State{AtomicFile(path), format, std::move(model), 0, 0, {}});
  if (state_->file.direct()) {
    // Nothing temporary to clean up, so a closed pipe may end the program as it ends any filter.
    std::signal(SIGPIPE, SIG_DFL);
  }
}

VectorFile::~VectorFile() = default;

void VectorFile::append(const Embeddings& embeddings) {
  State& state = *state_;
  if (state.format == VectorFormat::kJsonLines) {
    std::string line;
    for (std::size_t row = 0; row < embeddings.count(); ++row) {
      line.clear();
      append_json_line(line, embeddings, row, state.rows + row);
      state.file.write(line);
    }
  } else if (state.file.direct()) {
    state.waiting.insert(state.waiting.end(), embeddings.values.begin(), embeddings.values.end());
  } else {
    if (state.rows == 0) {
      state.dim = embeddings.dim;
      state.file.write(state.header());
    }
    state.file.write(bytes_of(embeddings.values));
  }
  state.dim = embeddings.dim;
  state.rows += embeddings.count();
}

void VectorFile::finish() {
  State& state = *state_;
  if (state.format != VectorFormat::kJsonLines) {
    if (state.file.direct()) {
      state.file.write(state.header());
      state.file.write(bytes_of(state.waiting));
    } else {
      state.file.write_at(0, state.header());
    }
  }
  state.file.commit();
}

}  // namespace mlxe::cli
