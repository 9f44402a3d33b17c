// The three file formats: a header of fixed size whose row count is filled in at the end, or lines.
#include "vector_file.h"

#include <csignal>
#include <cstdint>
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

template <typename Number>
std::string_view bytes_of(const std::vector<Number>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number)};
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
// `offsets`, if there are any, are a tensor of their own behind the vectors.
std::string safetensors_header(std::size_t rows, int dim, std::string_view model, std::size_t offsets) {
  constexpr std::size_t kRoomForNumbers = 160;  // 20 digits for each of the counts, and change
  const bool ragged = offsets > 0;
  const auto json = [&](std::size_t count, std::size_t texts) {
    const std::size_t bytes = count * static_cast<std::size_t>(dim) * sizeof(float);
    std::string text = fmt::format(
        R"({{"__metadata__":{{"model":{}}},"embeddings":{{"dtype":"F32","shape":[{},{}],"data_offsets":[0,{}]}})",
        json_string(model), count, dim, bytes);
    if (ragged) {
      text += fmt::format(R"(,"offsets":{{"dtype":"I64","shape":[{}],"data_offsets":[{},{}]}})", texts, bytes,
                          bytes + texts * sizeof(std::int64_t));
    }
    return text + "}";
  };
  const std::size_t size = (json(0, 0).size() + kRoomForNumbers) / 8 * 8;
  std::string header;
  for (std::size_t shift = 0; shift < 64; shift += 8) {
    header += static_cast<char>((size >> shift) & 0xFF);
  }
  header += json(rows, offsets);
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
  out += "{" + report_json(index, embeddings.items[row]) + ",\"embedding\":";
  append_numbers(out, embeddings.row(row));
  out += "}\n";
}

void append_json_line(std::string& out, const MultiVector& item, std::size_t index) {
  out += "{" + report_json(index, item.report) + ",\"embeddings\":[";
  for (std::size_t row = 0; row < item.count(); ++row) {
    out += row > 0 ? "," : "";
    append_numbers(out, item.row(row));
  }
  out += "]}\n";
}

struct VectorFile::State {
  AtomicFile file;
  VectorFormat format;
  std::string model;
  std::size_t rows = 0;
  int dim = 0;
  std::vector<float> waiting;         // rows for a direct file, until their number is known
  std::vector<std::int64_t> offsets;  // of texts with several rows: where each begins, and the end

  [[nodiscard]] std::string header() const {
    return format == VectorFormat::kNpy ? npy_header(rows, dim) : safetensors_header(rows, dim, model, offsets.size());
  }
};

VectorFile::VectorFile(const std::string& path, VectorFormat format, std::string model) {
  state_ = std::unique_ptr<State>(new State{AtomicFile(path), format, std::move(model), 0, 0, {}, {}});
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

void VectorFile::append(std::span<const MultiVector> items) {
  State& state = *state_;
  if (state.format == VectorFormat::kNpy) {
    throw Error(ErrorCode::kInvalidInput,
                "the model gives one vector for each token, which .npy cannot hold; wanted .safetensors or .jsonl");
  }
  std::string line;
  for (const MultiVector& item : items) {
    if (state.offsets.empty()) {
      state.offsets.push_back(0);
      state.dim = item.dim;
      if (state.format == VectorFormat::kSafetensors && !state.file.direct()) {
        state.file.write(state.header());
      }
    }
    if (state.format == VectorFormat::kJsonLines) {
      line.clear();
      append_json_line(line, item, state.offsets.size() - 1);
      state.file.write(line);
    } else if (state.file.direct()) {
      state.waiting.insert(state.waiting.end(), item.values.begin(), item.values.end());
    } else {
      state.file.write(bytes_of(item.values));
    }
    state.rows += item.count();
    state.offsets.push_back(static_cast<std::int64_t>(state.rows));
  }
}

void VectorFile::finish() {
  State& state = *state_;
  if (state.format != VectorFormat::kJsonLines) {
    if (state.file.direct()) {
      state.file.write(state.header());
      state.file.write(bytes_of(state.waiting));
      state.file.write(bytes_of(state.offsets));
    } else {
      state.file.write(bytes_of(state.offsets));
      state.file.write_at(0, state.header());
    }
  }
  state.file.commit();
}

}  // namespace mlxe::cli
